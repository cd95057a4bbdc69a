"""ESPnet's enhancement model with losses on embeddings; it decodes only if a loss needs a waveform."""

from typing import Any

import torch
from espnet2.enh.espnet_model import ESPnetEnhancementModel

from espnet_codecse.enh.decoder.codec_decoder import straight_through
from espnet_codecse.enh.encoder.codec_encoder import CodecEncoder
from espnet_codecse.enh.loss.criterions.code_cross_entropy import PADDING
from espnet_codecse.enh.loss.criterions.layer_loss import LayerLoss
from espnet_codecse.length_mask import length_mask, on_device, on_host
from espnet_codecse.level import LevelRule
from espnet_codecse.precision import autocast, checked_dtype, network_dtype
from espnet_codecse.step_result import step_result


class EmbeddingEnhancementModel(ESPnetEnhancementModel):
    """Enhancement model on codec embeddings; mixture and references are waveforms or embeddings read from disk.

    See :class:`espnet2.enh.espnet_model.ESPnetEnhancementModel` for the other arguments. Here, ``normalize_variance``
    computes losses on embeddings at unit power of the mixture's embedding, so that loud recordings do not outweigh
    soft ones.

    Args:
        separator_dtype: ``bfloat16`` runs the separator under autocast in training; codec and losses stay float32, also
            with ``use_amp``. This is faster on a GPU and on a CPU with native bfloat16, and slow on other CPUs, where
            ``auto`` uses float32.
        compile_separator: compile the separator with ``torch.compile``; this takes a minute and needs a C++ compiler.
        quantize_mixture: quantise the mixture's embedding before it enters the separator, here and in inference.
        peak, reference_peak: peaks of mixtures and references before encoding, in training and inference; see
            :class:`espnet_codecse.level.LevelRule`. Here they are only recorded: signals come scaled.
    """

    def __init__(
        self,
        *args,
        separator_dtype: str = "float32",
        compile_separator: bool = False,
        quantize_mixture: bool = False,
        peak: float | None = None,
        reference_peak: float | None = None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.quantize_mixture, self.levels = quantize_mixture, LevelRule.of(peak, reference_peak)
        if compile_separator:
            self.separator.compile(dynamic=True)
        self.separator_dtype = checked_dtype(separator_dtype)

    def forward(
        self, speech_mix: torch.Tensor, speech_mix_lengths: torch.Tensor | None = None, **kwargs
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """Return ``(loss, stats, batch size)``.

        Args:
            speech_mix: ``(batch, sample)`` or ``(batch, frame, channel)``.
            speech_mix_lengths: ``(batch,)`` samples or frames.
            kwargs: ``speech_ref1`` ... and their ``_lengths``, of the same kinds, and their lengths on the host; see
                :func:`espnet_codecse.length_mask.on_host`.
        """
        if not isinstance(self.encoder, CodecEncoder):
            return super().forward(speech_mix, speech_mix_lengths, **kwargs)
        dtype = network_dtype(self.separator_dtype, speech_mix.device)
        batch = {"speech_ref1_lengths": speech_mix_lengths, **kwargs}
        batch.update(speech_mix=speech_mix, speech_mix_lengths=speech_mix_lengths)
        with autocast(speech_mix.device, None):
            return self._step(batch, dtype)

    def _step(
        self, batch: dict[str, Any], dtype: torch.dtype | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """Return the result of :meth:`forward`; ``dtype`` is that of the separator under autocast."""
        speech_mix, reference_lengths = batch["speech_mix"], on_host(batch, "speech_ref1")
        references = [batch[f"speech_ref{index + 1}"] for index in range(self.num_spk)]
        mixture, lengths = self.encoder(speech_mix, on_host(batch, "speech_mix"))
        if self.quantize_mixture:
            mixture = self.encoder.codec(mixture.device).quantize(mixture, lengths)[0]
        with autocast(mixture.device, dtype):
            estimates, _, others = self.separator(mixture, lengths, {})
        estimates = [estimate.float() for estimate in estimates]
        losses, stats = [], {}
        prepared: dict[str, tuple[list[torch.Tensor], list[torch.Tensor]]] = {}
        for wrapper in self.loss_wrappers:
            criterion = wrapper.criterion
            if getattr(criterion, "only_for_test", False) and self.training:
                continue
            kind = criterion.layer if isinstance(criterion, LayerLoss) else "waveform"
            if kind not in prepared:
                if kind == "waveform":
                    prepared[kind] = self._waveforms(estimates, references, reference_lengths)
                elif kind == "codes":
                    prepared[kind] = self._codes(references, lengths, reference_lengths), estimates
                else:
                    prepared[kind] = self._embeddings(mixture, estimates, references, lengths, reference_lengths, kind)
            loss, values, others_of_loss = wrapper(*prepared[kind], others)
            # Later wrappers can be configured to use the first criterion's permutation.
            others = {**others, **others_of_loss}
            losses.append(wrapper.weight * loss)
            stats.update(values)
        loss = torch.stack(losses).sum()
        stats = {key: value.detach() if torch.is_tensor(value) else value for key, value in stats.items()}
        stats["loss"] = loss.detach()
        return step_result(loss, stats, len(speech_mix))

    @torch.no_grad()
    def _codes(self, references, lengths, reference_lengths) -> list[torch.Tensor]:
        """Return the codes of references, ``(batch, frame, codebook)``, marked in the padding."""
        codes = []
        for reference in references:
            embedding = self.encoder.encode_reference(reference, reference_lengths)
            codec, number = self.encoder.codec(embedding.device), self.separator.predicted_codebooks
            found = codec.quantize(embedding, lengths, number)[1].transpose(1, 2)
            valid = length_mask(lengths, found.shape[1], found.device).unsqueeze(-1)
            codes.append(torch.where(valid, found, PADDING))
        return codes

    def _embeddings(self, mixture, estimates, references, lengths, reference_lengths, layer: str):
        """Return references and estimates at ``layer``, zero in the padding, weighted so that means ignore padding."""
        with torch.no_grad():
            references = [self.encoder.encode_reference(reference, reference_lengths) for reference in references]
        codec = self.encoder.codec(estimates[0].device) if layer == "quantized" else None
        if codec is not None:
            references = [codec.quantize(reference, lengths)[0] for reference in references]
            estimates = [straight_through(codec, estimate, lengths) for estimate in estimates]
        num_frames = estimates[0].shape[1]
        valid = length_mask(lengths, num_frames, estimates[0].device)
        lengths = on_device(lengths, valid.device)[:, None]
        # A criterion averages over all frames of the batch. This factor turns that into the mean over an item's frames.
        weight = (valid * (num_frames / lengths).sqrt()).unsqueeze(-1)
        if self.normalize_variance:
            weight = weight / ((mixture * weight).square().mean((1, 2), keepdim=True).sqrt() + 1e-5)
        return [reference * weight for reference in references], [estimate * weight for estimate in estimates]

    def _waveforms(self, estimates, references, lengths):
        """Return reference and decoded waveforms, zero after ``lengths (batch,)`` samples.

        Raises:
            ValueError: the references are embeddings.
        """
        if references[0].dim() != 2:
            raise ValueError("a waveform loss needs waveform references; embeddings were given")
        decoded = [self.decoder(estimate, lengths)[0] for estimate in estimates]
        valid = length_mask(lengths, decoded[0].shape[1], decoded[0].device)
        return [speech[:, : valid.shape[1]] for speech in references], [speech * valid for speech in decoded]

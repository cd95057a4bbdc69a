"""Training of the causal network: enhancement, distillation from self-supervised features, or both."""

from typing import Any

import torch
from espnet2.enh.espnet_model import ESPnetEnhancementModel

from espnet_codecse.causal.alignment import align
from espnet_codecse.features import load_features
from espnet_codecse.length_mask import length_mask, on_host
from espnet_codecse.precision import autocast, checked_dtype, network_dtype
from espnet_codecse.step_result import step_result

TEACHERS = ("none", "noisy", "clean")


class CausalEnhancementModel(ESPnetEnhancementModel):
    """ESPnet's enhancement model with a :class:`CausalSeparator`, which may predict or take a teacher's features.

    See :class:`espnet2.enh.espnet_model.ESPnetEnhancementModel` for the other arguments; its criterions are the
    enhancement loss.

    Args:
        teacher: source of the features, as given to :func:`espnet_codecse.features.load_features`. The teacher is
            frozen and not part of the model. Stored features are used instead if the data contain ``emb_mix`` and
            ``emb_ref1``.
        feature_hop: samples between features.
        bounded: see :func:`espnet_codecse.causal.alignment.align`; for teachers whose features are not bounded.
        given: speech whose features are the input for the condition ``teacher``: ``noisy``, or ``clean``, which is
            unavailable in practice and gives an upper bound.
        target: speech whose features the network learns to predict: ``none``, ``noisy`` or ``clean``.
        distillation_weight: weight of the mean absolute difference to these features, relative to the enhancement loss
            (code of 2403.01369).
        enhancement_weight: weight of the enhancement loss; 0: train only the predictor of features.
        separator_dtype: see :class:`espnet_codecse.enh.model.EmbeddingEnhancementModel`.

    Raises:
        ValueError: the options do not fit the network.
    """

    def __init__(
        self,
        *args,
        teacher: str | None = None,
        feature_hop: int = 320,
        bounded: bool = False,
        given: str = "none",
        target: str = "none",
        distillation_weight: float = 1.0,
        enhancement_weight: float = 1.0,
        separator_dtype: str = "float32",
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        for name, value in (("given", given), ("target", target)):
            if value not in TEACHERS:
                raise ValueError(f"{name} '{value}' is none of {', '.join(TEACHERS)}")
        network = self.separator.network
        if (network.condition == "teacher") != (given != "none"):
            raise ValueError(f"the condition '{network.condition}' and given '{given}' do not go together")
        if target != "none" and network.predictor is None:
            raise ValueError(f"target '{target}': the network predicts nothing; give it an embedding_size")
        self.teacher, self.feature_hop, self.bounded = teacher, feature_hop, bounded
        self.given, self.target, self.separator_dtype = given, target, checked_dtype(separator_dtype)
        self.distillation_weight, self.enhancement_weight = distillation_weight, enhancement_weight

    def forward(
        self, speech_mix: torch.Tensor, speech_mix_lengths: torch.Tensor | None = None, **kwargs
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """Return ``(loss, stats, batch size)``.

        Args:
            speech_mix: ``(batch, sample)``.
            speech_mix_lengths: ``(batch,)`` samples.
            kwargs: ``speech_ref1`` and, for stored features, ``emb_mix`` or ``emb_ref1 (batch, frame, channel)``; and
                the lengths on the host, see :func:`espnet_codecse.length_mask.on_host`.
        """
        dtype = network_dtype(self.separator_dtype, speech_mix.device)
        with autocast(speech_mix.device, None):
            return self._step({**kwargs, "speech_mix": speech_mix, "speech_mix_lengths": speech_mix_lengths}, dtype)

    def _step(
        self, batch: dict[str, Any], dtype: torch.dtype | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """Return the result of :meth:`forward`; ``dtype`` is that of the network under autocast."""
        speech_mix, speech_mix_lengths = batch["speech_mix"], on_host(batch, "speech_mix")
        # Pad to whole hops, because ESPnet's decoder cannot invert samples that no window covers.
        hop = self.encoder.hop_length
        rest = -speech_mix.shape[1] % hop
        mixture, reference = (
            torch.nn.functional.pad(speech, (0, rest)) for speech in (speech_mix, batch["speech_ref1"])
        )
        lengths = torch.full_like(speech_mix_lengths, mixture.shape[1])
        data = {**batch, "lengths": speech_mix_lengths}
        spectrum, num_frames = self.encoder(mixture, lengths)
        additional = {}
        if self.given != "none":
            additional["embedding"] = self._features(self.given, spectrum.shape[1], data)
        with autocast(spectrum.device, dtype):
            estimates, _, others = self.separator(spectrum, num_frames, additional)
        valid = length_mask(speech_mix_lengths, mixture.shape[1], mixture.device)
        loss, stats = spectrum.real.new_zeros(()), {}
        if self.enhancement_weight:
            speech = [self.decoder(estimate, lengths)[0] * valid for estimate in estimates]
            loss, stats = self._enhancement(speech, [reference * valid], lengths)
            loss = self.enhancement_weight * loss
        if self.target != "none":
            features = self._features(self.target, spectrum.shape[1], data)
            begun = -(-speech_mix_lengths // hop)  # frames that start before the end
            heard = length_mask(begun, spectrum.shape[1], mixture.device).unsqueeze(-1)
            difference = ((others["embedding"] - features).abs() * heard).sum() / (heard.sum() * features.shape[2])
            stats["distillation_loss"] = difference.detach()
            loss = loss + self.distillation_weight * difference
        stats["loss"] = loss.detach()
        return step_result(loss, stats, len(speech_mix))

    def _enhancement(self, speech, references, lengths):
        """Return ESPnet's enhancement loss and its statistics."""
        others: dict[str, torch.Tensor] = {}
        total, stats = 0.0, {}
        for wrapper in self.loss_wrappers:
            if getattr(wrapper.criterion, "only_for_test", False) and self.training:
                continue
            pairs: tuple = references, speech
            if hasattr(wrapper.criterion, "compute_on_mask"):  # a loss on spectra
                pairs = tuple([self.encoder(item, lengths)[0] for item in items] for items in pairs)
            loss, values, _ = wrapper(*pairs, others)
            total = total + wrapper.weight * loss
            stats.update({key: value.detach() for key, value in values.items() if torch.is_tensor(value)})
        return total, stats

    def _features(self, kind: str, num_frames: int, data: dict[str, torch.Tensor]) -> torch.Tensor:
        stored, speech = ("emb_mix", "speech_mix") if kind == "noisy" else ("emb_ref1", "speech_ref1")
        features = data.get(stored)
        if features is None:
            assert self.teacher is not None  # the configuration names it
            features, _ = load_features(self.teacher, data[speech].device).encode(data[speech], data["lengths"])
        return align(features, self.feature_hop, num_frames, self.encoder.hop_length, bounded=self.bounded)

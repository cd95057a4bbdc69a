"""Enhancement of recordings of any length with a trained causal network."""

import argparse
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import numpy as np
import torch

from espnet_codecse.causal.abs_network import AbsCausalNetwork
from espnet_codecse.causal.alignment import align
from espnet_codecse.causal.framing import SAMPLE_RATE, Analysis, STFTSettings, Synthesis
from espnet_codecse.causal.streaming import StreamingEnhancer, TorchFrames
from espnet_codecse.causal.trained import TrainedCausalNetwork
from espnet_codecse.errors import UserError
from espnet_codecse.features import AbsFeatures, load_features
from espnet_codecse.inference.abs_enhancer import (
    AbsEnhancer,
    Levels,
    Outputs,
    ReadSamples,
    RunSettings,
    Segments,
    Waveforms,
    pad_batch,
)
from espnet_codecse.level import Level


class CausalEnhancer(AbsEnhancer):
    """Enhance recordings with the causal network; a network without a teacher gives the same result as a stream.

    Args:
        network: network in evaluation mode.
        settings: how the spectra are computed.
        device: torch device.
        dtype: data type of the network's matrix products.
        segment_seconds: longest segment that is processed at once.
        features: the teacher, if the network takes features as an input; None: it takes none.
        given: speech that these features are computed from: ``none``, ``noisy``, or ``clean`` (requires references).
        bounded: see :func:`espnet_codecse.causal.alignment.align`.
    """

    divides = False  # like a stream, which carries its state through pauses

    def __init__(
        self,
        network: AbsCausalNetwork,
        settings: STFTSettings,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        segment_seconds: float = 30.0,
        features: AbsFeatures | None = None,
        given: str = "none",
        bounded: bool = False,
    ):
        segment = max(1, round(segment_seconds * SAMPLE_RATE) // settings.hop) * settings.hop
        super().__init__(SAMPLE_RATE, ["waveform"], ["spk1"], segment, 0 if features is None else SAMPLE_RATE)
        self.network: AbsCausalNetwork = network
        self.settings, self._device, self._dtype = settings, device, dtype
        self._features, self._bounded = features, bounded
        self.needs_reference = given == "clean"

    @classmethod
    def _from_model(
        cls, model: TrainedCausalNetwork, training: argparse.Namespace, run: RunSettings, **_: Any
    ) -> "CausalEnhancer":
        features = None
        if model.teacher is not None:
            features = load_features(model.teacher, run.device)
        settings = run.device, run.dtype, run.segment_seconds
        return cls(model.separator.network, model.settings, *settings, features, model.given, model.bounded)

    def stream(self) -> StreamingEnhancer:
        """Return a stream that runs the network frame by frame.

        Raises:
            UserError: the network takes a teacher's features, which are not available in a stream.
        """
        if self._features is not None:
            raise UserError("the model is given a teacher's features, which look ahead; it does not stream")
        return StreamingEnhancer(TorchFrames(self.network, self._device), self.settings)

    @torch.inference_mode()
    def _enhance_batch(self, speech: Waveforms, references: Waveforms | None, levels: Levels) -> Outputs:
        """See :meth:`AbsEnhancer.enhance_batch`.

        Args:
            speech: each ``(sample,)`` at 16 kHz.
            references: the clean speech, if the network takes its features.
            levels: unused.
        """
        spectra = []
        for samples in speech:
            silence = np.zeros(self.settings.samples_to_flush(len(samples)), np.float32)
            spectra.append(torch.from_numpy(Analysis(self.settings)(np.concatenate([samples, silence]))))
        batch = torch.nn.utils.rnn.pad_sequence([spectrum.transpose(0, 1) for spectrum in spectra], batch_first=True)
        batch = batch.transpose(1, 2).to(self._device)
        embedding = None
        if self._features is not None:
            given = references if self.needs_reference else speech
            if given is None:
                raise UserError("--reference_scp: missing; this model is given the features of clean speech")
            heard, lengths = pad_batch(given)
            features, _ = self._features.encode(heard.to(self._device), lengths)
            embedding = align(
                features,
                self._features.hop,
                batch.shape[2],
                self.settings.hop,
                self.settings.num_lead_frames,
                self._bounded,
            )
        started = perf_counter()
        with torch.autocast(batch.device.type, self._dtype, enabled=self._dtype != torch.float32):
            enhanced = self.network(batch, embedding)[0]
        enhanced = enhanced.float().cpu().numpy()
        self.network_seconds += perf_counter() - started
        results = []
        for samples, spectrum, output in zip(speech, spectra, enhanced):
            waveform = Synthesis(self.settings)(output[:, : spectrum.shape[1]])[: len(samples)]
            results.append({"waveform": waveform[None] * bool(np.any(samples))})
        return results

    def enhance_long(
        self, read: ReadSamples, num_samples: int, level: Level | None = None, segments: Segments | None = None
    ) -> Iterator[dict[str, np.ndarray]]:
        """See :meth:`AbsEnhancer.enhance_long`; a causal network carries its state and needs no cross-fades."""
        if self._features is not None:
            yield from super().enhance_long(read, num_samples)
            return
        stream, silent = self.stream(), True
        for start in range(0, num_samples, self.segment_samples):
            samples = read(start, min(self.segment_samples, num_samples - start))
            silent &= not np.any(samples)
            yield {"waveform": stream.process(samples)[None] * (not silent)}
        yield {"waveform": stream.flush()[None] * (not silent)}

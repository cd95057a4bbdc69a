"""Enhancement of recordings of any length with a trained causal network."""

import argparse
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import numpy as np
import torch

from espnet_codecse.causal.alignment import align
from espnet_codecse.causal.framing import HOP, LEAD, Analysis, Compression, Synthesis, samples_to_flush
from espnet_codecse.causal.gcrn import GCRN
from espnet_codecse.causal.streaming import StreamingEnhancer, TorchFrames
from espnet_codecse.causal.trained import TrainedGCRN
from espnet_codecse.errors import UserError
from espnet_codecse.features import AbsFeatures, load_features
from espnet_codecse.inference.abs_enhancer import (
    AbsEnhancer,
    Levels,
    Outputs,
    ReadSamples,
    RunSettings,
    Waveforms,
    pad_batch,
)
from espnet_codecse.level import Level

SAMPLE_RATE = 16000


class GCRNEnhancer(AbsEnhancer):
    """Enhance recordings with the causal network; a network without a teacher gives the same result as a stream.

    Args:
        network: network in evaluation mode.
        compression: compression of the spectra.
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
        network: GCRN,
        compression: Compression,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        segment_seconds: float = 30.0,
        features: AbsFeatures | None = None,
        given: str = "none",
        bounded: bool = False,
    ):
        segment = max(HOP, round(segment_seconds * SAMPLE_RATE) // HOP * HOP)
        super().__init__(SAMPLE_RATE, ["waveform"], ["spk1"], segment, 0 if features is None else SAMPLE_RATE)
        self.network: GCRN = network
        self.compression, self._device, self._dtype = compression, device, dtype
        self._features, self._bounded = features, bounded
        self.needs_reference = given == "clean"

    @classmethod
    def _from_model(
        cls, model: TrainedGCRN, training: argparse.Namespace, run: RunSettings, **options: Any
    ) -> "GCRNEnhancer":
        features = None
        if model.teacher is not None:
            features = load_features(model.teacher, run.device)
        compression = Compression.from_configuration(training.encoder_conf)
        network = model.separator.network
        return cls(
            network, compression, run.device, run.dtype, run.segment_seconds, features, model.given, model.bounded
        )

    def stream(self) -> StreamingEnhancer:
        """Return a stream that runs the network frame by frame.

        Raises:
            UserError: the network takes a teacher's features, which are not available in a stream.
        """
        if self._features is not None:
            raise UserError("the model is given a teacher's features, which look ahead; it does not stream")
        return StreamingEnhancer(TorchFrames(self.network, self._device), self.compression)

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
            silence = np.zeros(samples_to_flush(len(samples)), np.float32)
            spectra.append(torch.from_numpy(Analysis(self.compression)(np.concatenate([samples, silence]))))
        batch = torch.nn.utils.rnn.pad_sequence([spectrum.transpose(0, 1) for spectrum in spectra], batch_first=True)
        batch = batch.transpose(1, 2).to(self._device)
        embedding = None
        if self._features is not None:
            given = references if self.needs_reference else speech
            if given is None:
                raise UserError("--reference_scp: missing; this model is given the features of clean speech")
            heard, lengths = pad_batch(given)
            features, _ = self._features.encode(heard.to(self._device), lengths)
            embedding = align(features, self._features.hop, batch.shape[2], LEAD // HOP, self._bounded)
        started = perf_counter()
        with torch.autocast(batch.device.type, self._dtype, enabled=self._dtype != torch.float32):
            enhanced = self.network(batch, embedding)[0]
        enhanced = enhanced.float().cpu().numpy()
        self.network_seconds += perf_counter() - started
        results = []
        for samples, spectrum, output in zip(speech, spectra, enhanced):
            waveform = Synthesis(self.compression)(output[:, : spectrum.shape[1]])[: len(samples)]
            results.append({"waveform": waveform[None] * bool(np.any(samples))})
        return results

    def enhance_long(
        self, read: ReadSamples, num_samples: int, level: Level | None = None
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

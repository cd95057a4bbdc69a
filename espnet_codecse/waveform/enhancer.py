"""Enhancement of recordings of any length with one of ESPnet's networks on waveforms."""

import argparse
from time import perf_counter
from typing import Any

import numpy as np
import torch
from espnet2.enh.espnet_model import ESPnetEnhancementModel

from espnet_codecse.enh.enhancer import BLIND_TO_LEVEL
from espnet_codecse.enh.share import by_projection
from espnet_codecse.inference.abs_enhancer import AbsEnhancer, Levels, Outputs, RunSettings, Waveforms


class WaveformEnhancer(AbsEnhancer):
    """Enhance or separate recordings with encoder, separator and decoder of ESPnet.

    Recordings are processed one by one, because some of ESPnet's networks normalise over the padding of a batch.

    Args:
        model: ESPnet's model in evaluation mode.
        sample_rate: sample rate that the model was trained at, Hz.
        device: torch device.
        dtype: data type of the network's matrix products.
        segment_seconds: longest segment that is processed at once.
        restore_level: scale each estimate to its share of the mixture, if its loss is blind to the level.

    Raises:
        UserError: the segments are not longer than their overlap.
    """

    def __init__(
        self,
        model: ESPnetEnhancementModel,
        sample_rate: int,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        segment_seconds: float = 30.0,
        restore_level: bool = False,
    ):
        names = [f"spk{index + 1}" for index in range(model.num_spk)]
        # The order of several speakers is determined in the overlap, where each of them should speak.
        overlap = sample_rate if model.num_spk == 1 else 3 * sample_rate
        super().__init__(sample_rate, ["waveform"], names, round(segment_seconds * sample_rate), overlap)
        self.network, self._device, self._dtype = model, device, dtype
        self.restore_level = restore_level

    @classmethod
    def _from_model(
        cls, model: ESPnetEnhancementModel, training: argparse.Namespace, run: RunSettings, **options: Any
    ) -> "WaveformEnhancer":
        restore_level = all(item["name"] in BLIND_TO_LEVEL for item in training.criterions)
        return cls(model, training.sample_rate, run.device, run.dtype, run.segment_seconds, restore_level)

    @torch.inference_mode()
    def _enhance_batch(self, speech: Waveforms, references: Waveforms | None, levels: Levels) -> Outputs:
        """See :meth:`AbsEnhancer.enhance_batch`."""
        return [{"waveform": self._enhance(np.asarray(samples, np.float32))} for samples in speech]

    def _enhance(self, samples: np.ndarray) -> np.ndarray:
        mixture = torch.from_numpy(samples)[None].to(self._device)
        lengths = torch.tensor([len(samples)], device=self._device)
        started = perf_counter()
        with torch.autocast(mixture.device.type, self._dtype, enabled=self._dtype != torch.float32):
            features, frame_lengths = self.network.encoder(mixture, lengths)
            estimates, _, _ = self.network.separator(features, frame_lengths, {})
            waveforms = [self.network.decoder(estimate, lengths)[0] for estimate in estimates]
        output = torch.stack(waveforms).float().cpu().numpy()
        self.network_seconds += perf_counter() - started
        if self.restore_level:
            output = by_projection(samples[None], output)
        return output[:, 0, : len(samples)]

"""Enhancement of recordings of any length with the diffusion, window by window."""

import argparse
from abc import abstractmethod
from collections.abc import Callable
from time import perf_counter
from typing import Any, ClassVar

import torch

from espnet_codecse.errors import UserError
from espnet_codecse.fuse.model import FuseModel
from espnet_codecse.fuse.sampling import sampling_times
from espnet_codecse.fuse.vae_model import FuseVAEModel
from espnet_codecse.inference.abs_enhancer import AbsEnhancer, Levels, Outputs, RunSettings, Waveforms, pad_batch
from espnet_codecse.inference.segments import cut_windows, join_windows
from espnet_codecse.level import peak_gain

SAMPLE_RATE = 16000  # Hz
OVERLAP_FRAMES = 32  # overlap of windows; 0.26 s
OVERLAP_SECONDS = 1.0  # overlap of the segments of long recordings
BATCH_WINDOWS = 16  # windows that the network processes at once


class WindowEnhancer(AbsEnhancer):
    """Enhance the windows of a spectrogram separately and cross-fade them; the level of the recording is preserved.

    Args:
        spectrogram: the front end.
        window_frames: number of frames per window.
        device: torch device.
        segment_seconds: longest segment of a recording that is processed at once.
    """

    needs_level = True

    def __init__(self, spectrogram, window_frames: int, device: str, segment_seconds: float):
        self.spectrogram, self.window_frames, self.device = spectrogram, window_frames, torch.device(device)
        self.overlap_frames = min(OVERLAP_FRAMES, window_frames // 4)
        super().__init__(
            SAMPLE_RATE,
            ("waveform",),
            ("spk1",),
            round(segment_seconds * SAMPLE_RATE),
            round(OVERLAP_SECONDS * SAMPLE_RATE),
        )

    @classmethod
    def _from_model(
        cls, model: Any, training: argparse.Namespace, run: RunSettings, **options: Any
    ) -> "WindowEnhancer":
        build: Callable[..., WindowEnhancer] = cls  # the subclasses take these arguments
        return build(model, training.window_frames, run.device, run.dtype, run.segment_seconds, **options)

    @abstractmethod
    def enhance_windows(self, windows: torch.Tensor, speech: torch.Tensor, numbers: list[int]) -> torch.Tensor:
        """Return enhanced spectrograms ``(window, 2, bin, frame)``.

        Args:
            windows: noisy spectrograms of the same shape, at the network's level.
            speech: the same windows as waveforms ``(window, sample)``, at the recordings' level.
            numbers: the number of each window in its recording.
        """

    @torch.no_grad()
    def _enhance_batch(self, speech: Waveforms, references: Waveforms | None, levels: Levels) -> Outputs:
        """See :meth:`AbsEnhancer.enhance_batch`."""
        pieces, waveforms, plans = [], [], []
        assert levels is not None  # needs_level
        for samples, level in zip(speech, levels):
            recording = pad_batch([samples])[0].to(self.device)
            gain = peak_gain(torch.tensor(level.peak))
            spectrum = self.spectrogram(recording * gain)[0]
            windows, starts = cut_windows(spectrum, self.window_frames, self.overlap_frames)
            pieces.append(windows)
            waveforms.append(self._waveforms(recording[0], starts))
            plans.append((starts, spectrum.shape[-1], gain))
        numbers = [number for starts, _, _ in plans for number in range(len(starts))]
        windows, waveforms = torch.cat(pieces), torch.cat(waveforms)
        started = perf_counter()
        enhanced = torch.cat([
            self.enhance_windows(windows[first : first + BATCH_WINDOWS], waveforms[first : first + BATCH_WINDOWS],
                                 numbers[first : first + BATCH_WINDOWS])
            for first in range(0, len(windows), BATCH_WINDOWS)
        ])  # fmt: skip
        if enhanced.is_cuda:
            torch.cuda.synchronize(enhanced.device)
        self.network_seconds += perf_counter() - started
        outputs = []
        for samples, (starts, num_frames, gain) in zip(speech, plans):
            own, enhanced = enhanced[: len(starts)], enhanced[len(starts) :]
            whole = join_windows(own, starts, self.overlap_frames, num_frames)[None]
            output = self.spectrogram.inverse(whole, len(samples)) / gain
            outputs.append({"waveform": output.float().cpu().numpy()})
        return outputs

    def _waveforms(self, recording: torch.Tensor, starts: list[int]) -> torch.Tensor:
        """Return windows ``(window, sample)`` of ``recording (sample,)``, with zeros after its end."""
        hop, length = self.spectrogram.hop, self.spectrogram.num_samples(self.window_frames)
        padded = torch.nn.functional.pad(recording, (0, max(0, starts[-1] * hop + length - len(recording))))
        return torch.stack([padded[start * hop : start * hop + length] for start in starts])


class FuseEnhancer(WindowEnhancer):
    """Enhance with few DDIM steps of the diffusion; for a model of the first step, only the VAE is run (upper bound).

    Args:
        model: trained model in evaluation mode.
        device: torch device.
        dtype: data type of the networks; inputs and outputs stay float32.
        segment_seconds: longest segment of a recording that is processed at once.
        num_steps, num_samples, guidance_scale, seed, start: see :meth:`FuseModel.enhance`.

    Raises:
        UserError: an option is out of range.
    """

    OPTIONS: ClassVar[dict[str, type]] = {
        "num_steps": int,
        "num_samples": int,
        "guidance_scale": float,
        "seed": int,
        "start": float,
    }

    def __init__(
        self,
        model: torch.nn.Module,
        window_frames: int,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        segment_seconds: float = 30.0,
        num_steps: int = 6,
        num_samples: int = 1,
        guidance_scale: float = 1.0,
        seed: int = 0,
        start: float = 1.0,
    ):
        super().__init__(model.spectrogram, window_frames, device, segment_seconds)
        self.model, self.dtype = model, dtype
        self.network = model.vae if isinstance(model, FuseVAEModel) else torch.nn.ModuleList([model.vae, model.average])
        if num_samples < 1:
            raise UserError(f"num_samples {num_samples}: give 1 or more")
        self.options = {
            "num_steps": num_steps, "num_samples": num_samples, "guidance_scale": guidance_scale, "seed": seed,
            "start": start,
        }  # fmt: skip
        if isinstance(model, FuseModel):
            sampling_times(model.scheduler, num_steps, start)  # report values out of range now

    def enhance_windows(self, windows: torch.Tensor, speech: torch.Tensor, numbers: list[int]) -> torch.Tensor:
        """See the base class."""
        with torch.autocast(windows.device.type, self.dtype, enabled=self.dtype != torch.float32):
            if isinstance(self.model, FuseVAEModel):
                return self.model.vae.reconstruct(windows).float()
            features = None
            if self.model.features_source is not None:
                features = self.model.features(windows.device).features(speech)
            options = {**self.options, "overlap_frames": self.overlap_frames}
            return self.model.enhance(windows, features, numbers, **options).float()

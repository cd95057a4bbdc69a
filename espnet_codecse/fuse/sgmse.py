"""Inference with the baseline, ESPnet's score model (SGMSE+, 2208.05830)."""

from typing import Any, ClassVar

import torch

from espnet_codecse.errors import UserError
from espnet_codecse.fuse.enhancer import WindowEnhancer
from espnet_codecse.fuse.sampling import seeded, window_seed
from espnet_codecse.fuse.spectrogram import CompressedSpectrogram


class SGMSEEnhancer(WindowEnhancer):
    """Predictor-corrector sampling with 30 steps, which take 60 evaluations of the network.

    Windows are processed one by one with separate seeds, because ESPnet's sampler uses torch's global generator.

    Args:
        model: ESPnet's diffusion model with its STFT encoder.
        window_frames: number of frames per window.
        device: torch device.
        dtype: data type of the network.
        segment_seconds: longest segment of a recording that is processed at once.
        num_steps: number of steps of the reverse process.
        seed: seed of the noise.
    """

    OPTIONS: ClassVar[dict[str, type]] = {"num_steps": int, "seed": int}

    def __init__(
        self,
        model: torch.nn.Module,
        window_frames: int,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        segment_seconds: float = 30.0,
        num_steps: int = 30,
        seed: int = 0,
    ):
        stft = model.encoder
        front_end = CompressedSpectrogram(stft.n_fft, stft.hop_length, stft.spec_abs_exponent, stft.spec_factor)
        super().__init__(front_end, window_frames, device, segment_seconds)
        if num_steps < 1:
            raise UserError(f"num_steps {num_steps}: give 1 or more")
        self.network: Any = model.diffusion
        self.dtype, self.num_steps, self.seed = dtype, num_steps, seed

    def enhance_windows(self, windows: torch.Tensor, speech: torch.Tensor, numbers: list[int]) -> torch.Tensor:
        """See the base class."""
        outputs = []
        for window, number in zip(windows, numbers):
            noisy = torch.complex(window[0], window[1]).T[None]
            with (
                seeded(window_seed(self.seed, number), windows.device),
                torch.autocast(windows.device.type, self.dtype, enabled=self.dtype != torch.float32),
            ):
                enhanced = self.network.enhance(noisy, N=self.num_steps)
            outputs.append(torch.view_as_real(enhanced[0].T).permute(2, 0, 1))
        return torch.stack(outputs)

"""A waveform loss on the compressed short-time spectrum, which is close to perceptual metrics."""

from collections.abc import Sequence

import torch
from espnet2.enh.loss.criterions.time_domain import TimeDomainLoss

from espnet_codecse.enh.loss.power import power


class CompressedSpectrumLoss(TimeDomainLoss):
    """Relative error of power-law compressed spectra, in dB, averaged over several resolutions.

    Magnitudes are raised to the power ``c`` as in Braun and Tashev (2020, 2009.12286), section 3. The loss is the mean
    over resolutions of the magnitude error and the complex error, each ``10 log10(|Y^c - X^c|^2 / |X^c|^2)``. The
    compression gives weight to soft parts. In dB, the gradient keeps its size throughout training, and the loss can be
    combined with SNR and SI-SDR losses.

    Args:
        window_sizes: window sizes of the short-time Fourier transforms, samples; the shift is a quarter of the window.
        power: exponent ``c`` of the magnitude.
        name: name of the value in logs.
    """

    def __init__(
        self, window_sizes: Sequence[int] = (256, 1024), power: float = 0.3, name: str = "", only_for_test=False
    ):
        super().__init__(name or "compressed_spectrum_loss", only_for_test=only_for_test)
        self.power = power
        self.windows = {size: torch.hann_window(size) for size in window_sizes}

    def forward(self, ref: torch.Tensor, inf: torch.Tensor) -> torch.Tensor:
        """Return ``(batch,)`` in dB for two waveforms ``(batch, sample)``."""
        errors = [error for size in self.windows for error in self._errors(ref, inf, size)]
        return torch.stack(errors).mean(0)

    def _errors(self, ref: torch.Tensor, inf: torch.Tensor, size: int) -> list[torch.Tensor]:
        """Return the errors of the magnitude and of the complex spectrum in dB, each ``(batch,)``."""
        reference, magnitude = self._compressed(ref, size)
        estimate, estimated_magnitude = self._compressed(inf, size)
        errors = (magnitude - estimated_magnitude).square(), power(reference - estimate)
        total = magnitude.square().mean((1, 2))
        return [10 * torch.log10(error.mean((1, 2)) / total + 1e-4) for error in errors]

    def _compressed(self, speech: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the compressed complex spectrum and its magnitude, each ``(batch, bin, frame)``."""
        window = self.windows[size] = self.windows[size].to(speech.device)
        spectrum = torch.stft(speech, size, size // 4, window=window, pad_mode="constant", return_complex=True)
        # The floor is far below 16-bit resolution. It keeps the gradient finite in silence.
        floored = power(spectrum) + 1e-6
        gain = ((self.power - 1) / 2 * floored.log()).exp()
        return spectrum * gain, floored.sqrt() * gain

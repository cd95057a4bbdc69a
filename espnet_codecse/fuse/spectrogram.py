"""Lossless conversion between waveforms and compressed complex spectrograms."""

import torch


class CompressedSpectrogram:
    """STFT with magnitudes compressed to ``factor * |X| ** exponent`` and unchanged phases.

    The defaults are those of SGMSE+ (2208.05830, section IV-B): 256 bins, which can be halved eight times.

    Args:
        n_fft: length of the Hann window in samples; there are ``n_fft // 2 + 1`` bins.
        hop: samples between frames.
        exponent: exponent of the magnitude.
        factor: scale factor of the compressed magnitude.
    """

    def __init__(self, n_fft: int = 510, hop: int = 128, exponent: float = 0.5, factor: float = 0.15):
        if not (0 < hop <= n_fft // 2 and 0 < exponent <= 1 and factor > 0):
            raise ValueError(f"n_fft {n_fft}, hop {hop}, exponent {exponent}, factor {factor} cannot be inverted")
        self.n_fft, self.hop, self.exponent, self.factor = n_fft, hop, exponent, factor

    @property
    def num_bins(self) -> int:
        """Number of frequency bins."""
        return self.n_fft // 2 + 1

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of a signal of ``num_samples`` samples."""
        return num_samples // self.hop + 1

    def num_samples(self, num_frames: int) -> int:
        """Return the length in samples of the shortest signal that has ``num_frames`` frames."""
        return (num_frames - 1) * self.hop

    def __call__(self, speech: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, 2, bin, frame)``, real and imaginary part, of ``speech (batch, sample)``."""
        # Pad the signal with zeros. Reflection would require half a window of samples.
        spectrum = torch.stft(
            speech, self.n_fft, self.hop, window=self._window(speech), pad_mode="constant", return_complex=True
        )
        return self.compress(spectrum)

    def compress(self, spectrum: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, 2, bin, frame)`` for complex ``(batch, bin, frame)``."""
        return torch.view_as_real(torch.polar(self.factor * spectrum.abs() ** self.exponent, spectrum.angle())).permute(
            0, 3, 1, 2
        )

    def expand(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """Invert :meth:`compress`, with a finite gradient at zero."""
        power = spectrogram.square().sum(1).clamp_min(1e-16)
        scale = power ** ((1 / self.exponent - 1) / 2) * self.factor ** (-1 / self.exponent)
        return torch.complex(spectrogram[:, 0] * scale, spectrogram[:, 1] * scale)

    def inverse(self, spectrogram: torch.Tensor, num_samples: int) -> torch.Tensor:
        """Return ``speech (batch, num_samples)`` of ``spectrogram (batch, 2, bin, frame)``."""
        spectrum = self.expand(spectrogram)
        return torch.istft(spectrum, self.n_fft, self.hop, window=self._window(spectrogram), length=num_samples)

    def _window(self, like: torch.Tensor) -> torch.Tensor:
        return torch.hann_window(self.n_fft, dtype=like.dtype, device=like.device)

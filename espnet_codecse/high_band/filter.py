"""Add the band above 8 kHz of a recording to the enhanced band below, block by block."""

import numpy as np
import torch

from espnet_codecse.audio import StreamingResampler
from espnet_codecse.high_band.bands import NUM_HIGH, Bands, Features
from espnet_codecse.high_band.network import LOOK_AHEAD, HighBandNetwork


class HighBandFilter:
    """Splits a recording at 8 kHz and returns the enhanced lower part plus the upper part at the network's gains.

    The upper part is the recording less its own passage through 16 kHz. Where the enhancer changes nothing and gains
    are one, the sum is therefore the recording itself.

    Args:
        network: see :class:`HighBandNetwork`; None: all gains are one.
        sample_rate: of the recording, Hz.
        low_rate: of the enhancer, Hz.
        num_channels: of the recording.
    """

    def __init__(self, network: HighBandNetwork | None, sample_rate: int, low_rate: int, num_channels: int):
        self._network, self._bands, self._features = network, Bands(sample_rate), Features(num_channels)
        self._down = StreamingResampler(sample_rate, low_rate, num_channels)
        self._up = StreamingResampler(low_rate, sample_rate, num_channels)
        self._state: torch.Tensor | None = None
        hop = self._bands.hop
        nothing = np.zeros((0, num_channels))
        self._waiting = {"recording": nothing, "low": nothing}  # until the split is known
        # The first frame begins a hop before the recording, so that two frames cover every sample.
        begin = np.zeros((hop, num_channels))
        self._framed = {"low": begin, "high": begin, "enhanced": begin}
        self._ready = {"recording": nothing, "enhanced": nothing}  # until the upper part is
        self._spectra = np.zeros((num_channels, 0, hop + 1), complex)  # of the upper part, for gains to come
        self._tail: np.ndarray | None = None
        self._num_early = LOOK_AHEAD  # gains that are for frames before the first
        self._skip = hop  # samples that come out before the recording's first

    def push(self, enhanced: np.ndarray, recording: np.ndarray, last: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Take the next samples, as many of both, and return ``(output, recording)`` as far as they are ready.

        Args:
            enhanced: the enhancer's output ``(sample, channel)`` at the recording's rate.
            recording: ``(sample, channel)``.
            last: nothing follows, and all that is left is returned.
        """
        low = self._up.push(self._down.push(recording.astype(np.float32), last), last)
        self._extend(self._waiting, recording=recording, low=low)
        self._extend(self._framed, enhanced=enhanced)
        self._extend(self._ready, enhanced=enhanced, recording=recording)
        self._split(last)
        if last:
            padding = np.zeros(((LOOK_AHEAD + 2) * self._bands.hop, recording.shape[1]))
            self._extend(self._framed, low=padding, high=padding, enhanced=padding)
        upper = self._filtered()
        skipped = min(self._skip, len(upper))
        self._skip -= skipped
        upper = upper[skipped:]
        count = min(len(upper), *(len(signal) for signal in self._ready.values()))
        output = self._ready["enhanced"][:count] + upper[:count]
        beside = self._ready["recording"][:count]
        self._ready = {name: signal[count:] for name, signal in self._ready.items()}
        return output, beside

    @staticmethod
    def _extend(signals: dict[str, np.ndarray], **more: np.ndarray) -> None:
        for name, samples in more.items():
            signals[name] = np.concatenate([signals[name], samples])

    def _split(self, last: bool) -> None:
        """Move what is split into the parts."""
        recording, low = self._waiting["recording"], self._waiting["low"]
        if last and len(low) < len(recording):  # rounding left the resampler short
            low = np.concatenate([low, np.zeros((len(recording) - len(low), low.shape[1]))])
        count = min(len(recording), len(low))
        self._extend(self._framed, low=low[:count], high=recording[:count] - low[:count])
        self._waiting = {"recording": recording[count:], "low": low[count:]}

    def _filtered(self) -> np.ndarray:
        """Return ``(sample, channel)`` of the upper part, a hop for each frame whose gains are known."""
        hop = self._bands.hop
        num_frames = max(0, min(len(signal) for signal in self._framed.values()) // hop - 1)
        used = (num_frames + 1) * hop if num_frames else 0
        low, high, enhanced = (self._bands.spectra(self._framed[name][:used]) for name in ("low", "high", "enhanced"))
        self._framed = {name: signal[num_frames * hop :] for name, signal in self._framed.items()}
        self._spectra = np.concatenate([self._spectra, high], axis=1)
        gains = self._gains(low, enhanced, high)
        spectra, self._spectra = self._spectra[:, : gains.shape[1]], self._spectra[:, gains.shape[1] :]
        upper, self._tail = self._bands.overlap_add(spectra * self._bands.gains_of_bins(gains), self._tail)
        return upper

    @torch.no_grad()
    def _gains(self, low: np.ndarray, enhanced: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return gains ``(channel, frame, high band)`` of as many frames, which begin :data:`LOOK_AHEAD` earlier."""
        gains = np.ones((*high.shape[:2], NUM_HIGH))
        if self._network is not None and high.shape[1]:
            bands = self._bands
            features, _ = self._features(bands.low_powers(low), bands.low_powers(enhanced), bands.high_powers(high))
            found, self._state = self._network(torch.from_numpy(features.astype(np.float32)), self._state)
            gains = found.numpy().astype(np.float64)
        early = min(self._num_early, gains.shape[1])
        self._num_early -= early
        return gains[:, early:]

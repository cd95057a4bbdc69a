"""Short-time spectra of full-band recordings, and the powers of their bands."""

import numpy as np

CROSSOVER = 8000.0  # Hz; the enhancer works below
HIGHEST = 24000.0  # Hz; what is above follows the highest band
NUM_LOW, NUM_HIGH = 16, 10  # bands of equal width on the ERB scale, two and one ERB wide
NUM_FEATURES = 2 * NUM_LOW + NUM_HIGH
HOPS_PER_SECOND = 100
FLOOR = 1e-20  # of the mean square of a band, for digital silence
RANGE_DB = 80.0  # levels further below the loudest are all the same to the network
LEAST_CHANGE_DB, MOST_CHANGE_DB = -30.0, 6.0  # by the enhancer: beyond, all is the same
DECAY_DB = 0.05  # by which the reference level falls in a frame, 5 dB in a second


def _erb_scale(frequency: np.ndarray) -> np.ndarray:
    """Convert Hz to equivalent rectangular bandwidths (Glasberg and Moore, 1990)."""
    return 21.4 * np.log10(1.0 + 0.00437 * frequency)


def _edges(lowest: float, highest: float, number: int) -> np.ndarray:
    """Return ``number + 1`` frequencies in Hz at equal distances on the ERB scale."""
    low, high = _erb_scale(np.array([lowest, highest]))
    return (10.0 ** (np.linspace(low, high, number + 1) / 21.4) - 1.0) / 0.00437


LOW_EDGES = _edges(0.0, CROSSOVER, NUM_LOW)
HIGH_EDGES = _edges(CROSSOVER, HIGHEST, NUM_HIGH)


class Bands:
    """Frames of 20 ms every 10 ms at one sample rate, and their bands.

    Args:
        sample_rate: Hz.

    Attributes:
        hop: step between frames, samples.
        high_begin: first bin above 8 kHz.
    """

    def __init__(self, sample_rate: int):
        self.hop = sample_rate // HOPS_PER_SECOND
        size = 2 * self.hop
        self._window = np.sin(np.pi * (np.arange(size) + 0.5) / size)  # its square sums to one
        frequencies = np.arange(self.hop + 1) * sample_rate / size
        self._low, self._high = _sums(frequencies, LOW_EDGES), _sums(frequencies, HIGH_EDGES)
        # The split leaves a part of what is just below 8 kHz to the upper band, so its lowest band reaches down.
        self._high[frequencies < CROSSOVER, 0] = 1.0
        self.high_begin = int(np.searchsorted(frequencies, CROSSOVER))
        self._position = np.interp(frequencies, 0.5 * (HIGH_EDGES[1:] + HIGH_EDGES[:-1]), np.arange(NUM_HIGH))

    def spectra(self, samples: np.ndarray) -> np.ndarray:
        """Return ``(channel, frame, bin)`` of ``samples (sample, channel)``; what is left of a frame is not used."""
        count = max(0, len(samples) // self.hop - 1)
        used = samples[: (count + 1) * self.hop if count else 0]
        pieces = used.T.reshape(samples.shape[1], -1, self.hop)
        frames = np.concatenate([pieces[:, :-1], pieces[:, 1:]], axis=2)
        return np.fft.rfft(frames * self._window, axis=2)

    def overlap_add(self, spectra: np.ndarray, tail: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(signal (sample, channel), tail (channel, hop))`` of ``spectra (channel, frame, bin)``.

        The signal has a hop for each frame, and begins with the ``tail`` of the frames before; None: there are none.
        """
        frames = np.fft.irfft(spectra, 2 * self.hop, axis=2) * self._window
        early, late = frames[:, :, : self.hop], frames[:, :, self.hop :]
        tail = np.zeros((len(spectra), self.hop)) if tail is None else tail
        carried = np.concatenate([tail[:, None], late], axis=1)
        return (carried[:, :-1] + early).reshape(len(spectra), -1).T, carried[:, -1]

    def low_powers(self, spectra: np.ndarray) -> np.ndarray:
        """Return the powers of the bands below 8 kHz ``(..., low band)``, in mean squares of samples."""
        return self._powers(spectra, self._low)

    def high_powers(self, spectra: np.ndarray) -> np.ndarray:
        """Return the powers of the bands above 8 kHz ``(..., high band)``; beyond the recording's band they are 0."""
        return self._powers(spectra, self._high)

    def _powers(self, spectra: np.ndarray, sums: np.ndarray) -> np.ndarray:
        return (spectra.real**2 + spectra.imag**2) @ sums / self.hop**2

    def gains_of_bins(self, gains: np.ndarray) -> np.ndarray:
        """Interpolate gains of the high bands ``(..., high band)`` to bins ``(..., bin)``."""
        below = np.minimum(self._position.astype(int), NUM_HIGH - 2)
        share = self._position - below
        return gains[..., below] * (1.0 - share) + gains[..., below + 1] * share


def _sums(frequencies: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the matrix ``(bin, band)`` that sums the bins of each band."""
    inside = (frequencies[:, None] >= edges[:-1]) & (frequencies[:, None] < edges[1:])
    return inside.astype(float)


class Features:
    """Inputs of the network, relative to the level of the recording so far; blocks continue one another.

    Args:
        num_channels: of the recording.
    """

    def __init__(self, num_channels: int):
        self._reference = np.full(num_channels, -np.inf)  # dB

    def __call__(self, noisy: np.ndarray, enhanced: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(features (channel, frame, feature), reference levels in dB (channel, frame))``.

        Args:
            noisy, enhanced: powers ``(channel, frame, low band)`` of the recording and of the enhancer's output.
            high: powers ``(channel, frame, high band)`` of the recording.
        """
        reference = self._references(decibel(noisy.sum(axis=2)))
        levels = np.concatenate([decibel(noisy), decibel(high)], axis=2) - reference[:, :, None]
        floor = 10.0 ** ((reference[:, :, None] - RANGE_DB) / 10.0)
        change = (decibel(enhanced + floor) - decibel(noisy + floor)).clip(LEAST_CHANGE_DB, MOST_CHANGE_DB)
        features = [change / -LEAST_CHANGE_DB + 0.5, levels.clip(-RANGE_DB, MOST_CHANGE_DB) / RANGE_DB + 0.5]
        return np.concatenate(features, axis=2), reference

    def _references(self, levels: np.ndarray) -> np.ndarray:
        """Return the largest level so far of ``levels (channel, frame)``, which is slowly forgotten."""
        if not levels.shape[1]:
            return levels
        rise = DECAY_DB * np.arange(1, levels.shape[1] + 1)
        risen = np.concatenate([self._reference[:, None], levels + rise], axis=1)
        references = np.maximum.accumulate(risen, axis=1)[:, 1:] - rise
        self._reference = references[:, -1]
        return references


def decibel(powers: np.ndarray) -> np.ndarray:
    """Return mean squares in dB relative to 1."""
    return 10.0 * np.log10(powers + FLOOR)

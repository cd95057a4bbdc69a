"""What a user should know about a recording beyond that it was enhanced: no speech, steady tones, a lost band."""

from collections.abc import Iterable, Sequence

import numpy as np

from espnet_codecse.activity import frame_powers, frame_size, loudest_power

NO_SPEECH = "no speech found, and nearly everything was removed; --mix 0.5 keeps half of the input"
TONES = "steady tones, as in music, are much of it; the model keeps speech only"
BAND = "what is above {:g} kHz was removed"
MOST_NAMES = 3  # in a line

# The thresholds were set on mini_real and mini_more: of 84 utterances at -5 dB SNR or better, none lost more than 13 dB
# of its loudest stretch, while 8 of 10 recordings of noise alone did; tones of speech stayed below 0.05 of the power,
# those of 40 synthesised pieces of music above 0.17.
LEAST_KEPT_DB = -15.0
MOST_TONES = 0.1
LEAST_BAND_DB = -40.0

_BAND_FRAME = 4096  # samples of each block that is read
_TONE_FRAME = 2048  # samples: 0.13 s at 16 kHz
_TONE_FRAMES = 3  # a peak that stays this long is a tone: the pitch of speech moves
_TONE_BINS = slice(10, 640)  # 80 Hz to 5 kHz at 16 kHz
_NEIGHBOURS = 8  # bins on each side of a peak
_PEAK_RATIO = 10.0  # of a peak to the mean of its neighbours


class Listener:
    """Measures of one recording as it passes by, for :attr:`notices`.

    Args:
        sample_rate: of the system, Hz.
        file_rate: of the recording, Hz.
        full_band: the band above that of the system is kept.
    """

    def __init__(self, sample_rate: int, file_rate: int, full_band: bool = False):
        self._sample_rate, self._loses_band = sample_rate, file_rate > sample_rate and not full_band
        self._file_rate = file_rate
        self._input, self._output = _Powers(sample_rate), _Powers(sample_rate)
        self._tones = _Tones()
        self._band_power = self._file_power = 0.0

    def hear_file(self, block: np.ndarray) -> None:
        """Take the next ``(sample, channel)`` of the file at its own rate, and look at its beginning."""
        block = block[:_BAND_FRAME]
        if not self._loses_band or len(block) < 2:
            return
        spectrum = np.abs(np.fft.rfft(block[:, 0] * np.hanning(len(block)))) ** 2
        first = int(np.ceil(len(block) * self._sample_rate / 2 / self._file_rate)) + 1
        self._band_power += float(spectrum[first:].sum())
        self._file_power += float(spectrum.sum())

    def hear_input(self, samples: np.ndarray) -> None:
        """Take the next ``(channel, sample)`` of the input at the system's rate."""
        self._input.add(samples)
        self._tones.add(samples[0])

    def hear_output(self, estimates: np.ndarray) -> None:
        """Take the next ``(speaker, channel, sample)`` of the output at the system's rate."""
        self._output.add(estimates.sum(axis=0))

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences without the recording's name."""
        heard, kept = self._input.loudest(), self._output.loudest()
        found = {
            NO_SPEECH: heard > 0 and kept < heard * 10 ** (LEAST_KEPT_DB / 10),
            TONES: self._tones.share > MOST_TONES,
            BAND.format(self._sample_rate / 2000): self._band_power > self._file_power * 10 ** (LEAST_BAND_DB / 10),
        }
        return tuple(notice for notice, holds in found.items() if holds)


class _Powers:
    """Powers of frames, of which 50 a second are kept."""

    def __init__(self, sample_rate: int):
        self._sample_rate, self._size = sample_rate, frame_size(sample_rate)
        self._rest = np.zeros(0, np.float32)
        self._powers: list[np.ndarray] = []

    def add(self, samples: np.ndarray) -> None:
        """Take the next ``(channel, sample)``."""
        signal = np.concatenate([self._rest, samples.mean(axis=0)])
        end = len(signal) // self._size * self._size
        self._powers.append(frame_powers(signal[:end], self._sample_rate))
        self._rest = signal[end:]

    def loudest(self) -> float:
        """Return the power of the loudest stretch; what is shorter than a frame has none."""
        return loudest_power(np.concatenate([[], *self._powers]))


class _Tones:
    """Share of the power in peaks of the spectrum that stay where they are."""

    def __init__(self):
        self._rest = np.zeros(0, np.float32)
        self._before = np.zeros((_TONE_FRAMES - 1, _TONE_BINS.stop - _TONE_BINS.start), bool)
        self._window = np.hanning(_TONE_FRAME).astype(np.float32)
        self._held = self._total = 0.0

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self._held / self._total if self._total else 0.0

    def add(self, samples: np.ndarray) -> None:
        """Take the next ``(sample,)``."""
        signal = np.concatenate([self._rest, samples])
        end = len(signal) // _TONE_FRAME * _TONE_FRAME
        self._rest = signal[end:]
        if not end:
            return
        spectrum = np.fft.rfft(signal[:end].reshape(-1, _TONE_FRAME) * self._window)[:, _TONE_BINS]
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float64)
        peaks, around = _peaks(power)
        known = np.concatenate([self._before, peaks])
        self._before = known[len(known) - len(self._before) :]
        held = peaks.copy()
        for back in range(1, _TONE_FRAMES):
            held &= known[len(self._before) - back : len(known) - back]
        total = power.sum(axis=1)
        self._held += float(np.minimum((around * held).sum(axis=1), total).sum())
        self._total += float(total.sum())


def _peaks(power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mask of peaks of ``power (frame, bin)``, and the power of each bin with the two beside it."""
    sums = np.pad(np.cumsum(np.pad(power, ((0, 0), (_NEIGHBOURS, _NEIGHBOURS))), axis=1), ((0, 0), (1, 0)))
    width = 2 * _NEIGHBOURS + 1
    beside = np.pad(power, ((0, 0), (1, 1)))
    around = beside[:, :-2] + power + beside[:, 2:]
    neighbours = (sums[:, width:] - sums[:, :-width] - around) / (width - 3)
    peaks = (power > _PEAK_RATIO * neighbours) & (power >= beside[:, :-2]) & (power >= beside[:, 2:])
    return peaks, around


def group_notices(noticed: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Return a line for each notice, which names the first of its recordings.

    Args:
        noticed: name of a recording, and its notices.
    """
    by_notice: dict[str, list[str]] = {}
    for name, notices in noticed:
        for notice in notices:
            by_notice.setdefault(notice, []).append(name)
    return [
        f"{', '.join(names[:MOST_NAMES])}{f' and {len(names) - MOST_NAMES} more' * (len(names) > MOST_NAMES)}: {notice}"
        for notice, names in by_notice.items()
    ]

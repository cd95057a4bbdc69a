"""Signals of the URGENT 2024 challenge's mixtures: level where active, room, clipping, limited bandwidth.

After the challenge's simulation scripts; what differs is said where it does.
"""

import numpy as np

from espnet_codecse.audio import audio_info, read_audio, read_first_channel, resample, to_length
from espnet_codecse.corpus.mixing import fit_length, rms
from espnet_codecse.corpus.recording import NOT_FINITE
from espnet_codecse.corpus.reverberation import reverberate

BLOCK = 512  # samples of the meter of activity, at any rate, as ESPnet's
ACTIVE_POWER = 0.01  # of two blocks that are not silent, relative to the mean
ROOM_START = 0.1  # of the largest value of a room response: what first exceeds it is the direct path
RESAMPLERS = ("soxr", "polyphase", "fft")  # each with a roll-off of its own


def read_speech(path: str, expected_rate: int, rate: int) -> np.ndarray:
    """Return the first channel ``(num_samples,)`` at ``rate`` Hz of a file of ``expected_rate`` Hz.

    Raises:
        ValueError: it has another rate, no samples, none but zeros, or values that are not finite.
        UserError: it cannot be read.
    """
    samples, file_rate = read_audio(path)
    if file_rate != expected_rate:
        raise ValueError(f"wrong rate, {file_rate} Hz, utt2fs has {expected_rate} Hz")
    return _checked(resample(samples[:, 0], file_rate, rate))


def read_noise(path: str, num_samples: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``(num_samples,)`` at ``rate`` Hz from a random place on, repeated where the file is shorter.

    Raises:
        ValueError, UserError: as :func:`read_speech`.
    """
    available, file_rate, _ = audio_info(path)
    wanted = -(-num_samples * file_rate // rate)  # rounded up
    start = int(rng.integers(available - wanted + 1)) if available > wanted else 0
    samples = read_audio(path, start, min(wanted, available))[0][:, 0]
    if not samples.any():  # silence between events: a stretch with the loudest sample in it
        whole = _checked(read_audio(path)[0][:, 0])
        start = min(max(0, int(np.argmax(np.abs(whole))) - int(rng.integers(wanted))), max(0, available - wanted))
        samples = whole[start : start + wanted]
    return fit_length(_checked(resample(samples, file_rate, rate)), num_samples, rng)


def in_room(speech: np.ndarray, path: str, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(reverberant speech, reference)``, both ``(num_samples,)`` and aligned with ``speech``.

    The reference keeps the first 50 ms of reflections. Both begin with the direct path; in the challenge's script both
    keep its delay.

    Args:
        speech: ``(num_samples,)`` at ``rate``.
        path: path of a room response; its first channel is taken.
        rate: Hz.

    Raises:
        ValueError, UserError: as :func:`read_speech`.
    """
    response = _checked(read_first_channel(path, rate))
    magnitude = np.abs(response)
    direct = int(np.argmax(magnitude > ROOM_START * magnitude.max()))
    heard, reference = reverberate(speech, response / magnitude.max(), direct, rate, "early")
    return _checked(heard), _checked(reference)


def active_power(signal: np.ndarray) -> float:
    """Return the mean power of ``signal (num_samples,)`` where it is not silent.

    Raises:
        ValueError: it is silent all the time.
    """
    edges = np.arange(0, len(signal), BLOCK)
    energy = np.add.reduceat(np.square(signal, dtype=np.float64), edges)
    counts = np.diff(np.append(edges, len(signal)))
    # A block is judged together with the next one, the last one with the one before it.
    following = np.minimum(np.arange(1, len(edges) + 1), len(edges) - 1)
    following[-1] = max(len(edges) - 2, 0)
    power = (energy + energy[following]) / (counts + counts[following])
    active = power > ACTIVE_POWER * power.mean()
    if not active.any():
        raise ValueError("silent")
    return float(energy[active].sum() / counts[active].sum())


def clip(signal: np.ndarray, low: float, high: float) -> np.ndarray:
    """Cut ``signal (num_samples,)`` at two of its quantiles."""
    return np.clip(signal, *np.quantile(signal, [low, high]))


def limit_bandwidth(signal: np.ndarray, rate: int, narrow_rate: int, resampler: str) -> np.ndarray:
    """Take ``signal (num_samples,)`` from ``rate`` to ``narrow_rate`` and back (Hz).

    The challenge chooses among two windowed-sinc filters of resampy, polyphase and FFT; ``soxr`` stands for the former.
    """
    narrow = _resample(signal, rate, narrow_rate, resampler)
    return to_length(_resample(narrow, narrow_rate, rate, resampler), len(signal))


def _resample(signal: np.ndarray, rate: int, target_rate: int, resampler: str) -> np.ndarray:
    if resampler == "soxr":
        return resample(signal, rate, target_rate)
    from scipy import signal as scipy_signal

    up, down = (value // int(np.gcd(rate, target_rate)) for value in (target_rate, rate))
    if resampler == "polyphase":
        return scipy_signal.resample_poly(signal, up, down)
    # Whole periods of both rates: a rounded number of samples would shift the end against the reference.
    periods = -(-len(signal) // down)
    return scipy_signal.resample(np.pad(signal, (0, periods * down - len(signal))), periods * up)


def _checked(signal: np.ndarray) -> np.ndarray:
    if not len(signal):
        raise ValueError("empty, no samples")
    if not np.isfinite(signal).all():
        raise ValueError(NOT_FINITE)
    if rms(signal) == 0:
        raise ValueError("all samples are zero")
    return signal.astype(np.float64)

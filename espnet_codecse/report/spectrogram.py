"""A figure of several spectrograms, one below the other, such as noisy, enhanced and clean."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from espnet_codecse.audio import read_audio, resample
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path

WINDOW_SECONDS = 0.032
HOP_SECONDS = 0.008


def level_db(samples: np.ndarray, rate: int, hop_seconds: float = HOP_SECONDS) -> np.ndarray:
    """Return the spectrogram ``(frequency, frame)`` in dB relative to a full-scale sine, with 32 ms Hann windows.

    Args:
        samples: ``(num_samples,)`` in [-1, 1].
        rate: sample rate, Hz.
        hop_seconds: distance of the windows.
    """
    size, hop = round(WINDOW_SECONDS * rate), round(hop_seconds * rate)
    padded = np.pad(samples, (size // 2, size // 2 + hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    window = np.hanning(size + 1)[:-1]
    amplitude = np.abs(np.fft.rfft(frames * window, axis=1)) / (window.sum() / 2)
    return 20 * np.log10(np.maximum(amplitude, 1e-6)).T


def _read(paths: Sequence[str], start: float, seconds: float | None) -> tuple[list[np.ndarray], int]:
    signals, rate = [], 0
    for path in paths:
        samples, own_rate = read_audio(path)
        rate = rate or own_rate
        samples = resample(samples[:, 0], own_rate, rate)
        first = round(start * rate)
        samples = samples[first : None if seconds is None else first + round(seconds * rate)]
        if not len(samples):
            raise UserError(f"{path}: ends before {start:g} s; choose an earlier --start")
        signals.append(samples)
    return signals, rate


def plot_spectrograms(
    paths: Sequence[str],
    labels: Sequence[str],
    output: Path,
    start: float = 0.0,
    seconds: float | None = None,
    range_db: float = 70.0,
    title: str = "",
) -> None:
    """Draw the spectrograms of several recordings with one time axis and one colour scale.

    Args:
        paths: audio files; all are shown at the rate of the first.
        labels: one per file.
        output: png, pdf or svg.
        start: start of the excerpt in seconds.
        seconds: length of the excerpt; None: to the end.
        range_db: span of the colour scale below the largest level of all panels, in dB.
        title: title above the first panel.

    Raises:
        UserError: unreadable audio, an excerpt without samples, or different numbers of labels and files.
    """
    if not paths or len(paths) != len(labels):
        raise UserError(f"--labels: {len(labels)} given for {len(paths)} files; give one per file")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    signals, rate = _read(paths, start, seconds)
    levels = [level_db(signal, rate) for signal in signals]
    top = max(level.max() for level in levels)
    figure = Figure(figsize=(8, 0.6 + 1.9 * len(levels)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(len(levels), 1, sharex=True, sharey=True))
    for axis, signal, level, label in zip(axes, signals, levels, labels):
        image = axis.imshow(
            level,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=top - range_db,
            vmax=top,
            extent=(start, start + len(signal) / rate, 0.0, rate / 2000.0),
            interpolation="nearest",
        )
        axis.set_ylabel("frequency (kHz)")
        axis.set_title(label, loc="left", fontsize=10)
    axes[-1].set_xlabel("time (s)")
    if title:
        figure.suptitle(title, fontsize=11)
    figure.colorbar(image, ax=list(axes), label="level (dB re full scale)", pad=0.01)
    with atomic_path(output) as temporary:
        figure.savefig(temporary, dpi=130)

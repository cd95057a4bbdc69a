"""Spectrograms: levels and axes are right, and a figure is written."""

import numpy as np
import pytest
import soundfile

from espnet_codecse.errors import UserError
from espnet_codecse.report.spectrogram import level_db, plot_spectrograms

RATE = 16000


def test_a_sine_has_its_level_at_its_frequency():
    sine = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    level = level_db(sine, RATE)
    assert level.shape[0] == 257 and abs(level.shape[1] - 126) <= 1
    assert level[:, 60].argmax() * RATE / 512 == 1000.0
    assert level[:, 60].max() == pytest.approx(-20.0, abs=0.1)


def test_a_figure_is_written_for_files_of_different_rates(tmp_path):
    for name, rate in (("noisy", 16000), ("clean", 48000)):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.random.default_rng(0).normal(size=rate), rate)
    paths = [str(tmp_path / f"{name}.wav") for name in ("noisy", "clean")]
    plot_spectrograms(paths, ["noisy", "clean"], tmp_path / "figure.png", start=0.2, seconds=0.5, title="u1")
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(UserError, match="ends before 5 s"):
        plot_spectrograms(paths, ["noisy", "clean"], tmp_path / "figure.png", start=5.0)
    with pytest.raises(UserError, match="1 given for 2 files"):
        plot_spectrograms(paths, ["noisy"], tmp_path / "figure.png")

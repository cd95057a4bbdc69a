"""Variants against their baseline over seeds."""

import numpy as np
import pytest

from espnet_codecse.bin.main import main
from espnet_codecse.errors import UserError
from espnet_codecse.report.groups import SNR
from espnet_codecse.report.scores import Row
from espnet_codecse.report.study import difference, seed_of, study_lines

UTTERANCES = [f"u{index}" for index in range(40)]


def rows(name: str, gain: float, spread: float = 0.02, num_seeds: int = 3):
    """Scores of an experiment that is ``gain`` better, with seeds that differ by about ``spread``."""
    found = []
    for seed in range(1, num_seeds + 1):
        rng = np.random.default_rng(seed + 10 * len(name))
        offset = spread * rng.standard_normal()
        values = {
            u: 2 + index / 40 + gain + offset + 0.01 * rng.standard_normal() for index, u in enumerate(UTTERANCES)
        }
        groups = {SNR: {u: "-5 dB" if index % 2 else "0 dB" for index, u in enumerate(UTTERANCES)}}
        found.append(Row(f"{name}_seed{seed}", "waveform", {"PESQ": values, "LSD": values}, groups))
    return found


def test_what_is_within_noise_and_what_is_not():
    lines = study_lines([*rows("base", 0), *rows("same", 0.005), *rows("better", 0.5)], "base", ["PESQ", "LSD"])
    table = {tuple(cell.strip() for cell in line.split("|")[1:3]): line for line in lines if line.startswith("|")}
    assert table["PESQ", "same"].endswith("|within noise|") and table["PESQ", "better"].endswith("|better|")
    assert table["LSD", "better"].endswith("|worse|")  # a distance: smaller is better
    assert "-5 dB|0 dB" in table["metric", "variant"]
    assert "+0.5" in table["PESQ", "better"] and "±" in table["PESQ", "better"]


def test_seeds_count_as_chance():
    rng = np.random.default_rng(0)
    utterances = rng.standard_normal(50)
    calm = [utterances + offset for offset in (0, 0.01, -0.01)]
    wild = [utterances + 1 + offset for offset in (0, 3, -3)]
    assert not difference(np.stack(calm) + 1, np.stack(calm)).is_noise
    assert difference(np.stack(wild), np.stack(calm)).is_noise


def test_covers_in_19_of_20():
    """Drawn from what the interval is for: random utterances and random seeds, no true difference."""
    rng, hits = np.random.default_rng(1), 0
    for _ in range(100):
        systems = [0.1 * rng.standard_normal((3, 1)) + 0.1 * rng.standard_normal((3, 30)) for _ in range(2)]
        hits += difference(*systems).is_noise
    assert hits >= 92


def test_what_is_refused():
    assert seed_of("a_seed12") == ("a", "12") and seed_of("a") == ("a", "")
    with pytest.raises(UserError, match="--baseline other: no rows"):
        study_lines(rows("base", 0), "other", ["PESQ"])
    with pytest.raises(UserError, match="base: 2 seed"):
        study_lines(rows("base", 0, num_seeds=2), "base", ["PESQ"])


def test_in_results(tmp_path):
    options = []
    for row in [*rows("base", 0), *rows("better", 0.5)]:
        folder = tmp_path / row.section
        folder.mkdir()
        (folder / "PESQ_spk1").write_text("".join(f"{u} {value}\n" for u, value in row.scores["PESQ"].items()))
        options += ["--row", f"{row.section}|waveform|{folder}"]
    output = tmp_path / "RESULTS.md"
    assert main(["results", *options, "--baseline", "base", "--output", str(output)]) == 0
    assert "## Against base" in output.read_text() and "|PESQ|better|+0.5" in output.read_text()

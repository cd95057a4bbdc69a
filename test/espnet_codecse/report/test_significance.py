"""Paired tests between systems."""

import itertools

import numpy as np
import pytest
from scipy.stats import rankdata

from espnet_codecse.fileio import write_scp
from espnet_codecse.report.results import render
from espnet_codecse.report.scores import read_row
from espnet_codecse.report.significance import compare_with_best, holm, paired_p_value


def test_p_value_is_the_share_of_sign_flips_at_least_as_extreme():
    """The signed-rank test by definition, over all sign patterns."""
    rng = np.random.default_rng(3)
    first, second = rng.normal(0.6, 1, 10), rng.normal(0, 1, 10)
    ranks = rankdata(np.abs(first - second))
    middle = ranks.sum() / 2
    observed = abs(ranks[first > second].sum() - middle)
    sums = [sum(rank for rank, chosen in zip(ranks, signs) if chosen) for signs in itertools.product((0, 1), repeat=10)]
    expected = np.mean([abs(value - middle) >= observed - 1e-9 for value in sums])
    assert paired_p_value(first, second) == pytest.approx(expected, rel=1e-6)


def test_equal_systems_and_missing_values():
    values = np.array([1.0, np.nan, 3.0])
    assert paired_p_value(values, values) == 1.0
    assert compare_with_best([values, np.full(3, np.nan)], True) == []


def test_holm_by_hand():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]


def test_the_best_by_direction():
    rng = np.random.default_rng(0)
    low = rng.normal(0, 0.1, 40)
    systems = [low, low + 1, low + 0.01 * rng.normal(size=40)]
    up, down = compare_with_best(systems, True), compare_with_best(systems, False)
    assert [item.best for item in up] == [1, 1] and all(item.p_value < 1e-6 for item in up)
    assert up[0].difference == pytest.approx(1)
    assert {item.best for item in down} <= {0, 2} and max(item.p_value for item in down) > 0.05


@pytest.mark.parametrize("gap, bold", [(0.5, True), (0.001, False)])
def test_bold_only_where_the_difference_is_significant(tmp_path, gap, bold):
    rng = np.random.default_rng(1)
    base = rng.uniform(1.5, 3, 30)
    columns = {"noisy": base - 0.7, "a": base, "b": base + gap + 0.05 * rng.normal(size=30), "ceiling": base + 1}
    for name, values in columns.items():
        write_scp(tmp_path / name / "PESQ_spk1", {f"u{i}": value for i, value in enumerate(values)})
    rows = [
        read_row(f"{section}|{label}|{tmp_path / name}")
        for section, label, name in (
            ("Unprocessed", "noisy", "noisy"),
            ("codec_small", "clean, continuous", "ceiling"),
            ("one", "continuous", "a"),
            ("two", "continuous", "b"),
        )
    ]
    text = render(rows, "c", environment=[])
    line = next(line for line in text.splitlines() if line.startswith(("|PESQ|two, cont", "|PESQ|one, cont")))
    assert line.endswith("|none|") == bold
    assert ("|continuous|**" in text) == bold and "|clean, continuous|**" not in text

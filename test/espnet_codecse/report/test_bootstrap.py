"""Bootstrap intervals: coverage, seeding, missing values."""

import numpy as np
import pytest

from espnet_codecse.report.bootstrap import mean_interval


def test_interval_holds_the_mean_and_has_the_width_of_theory():
    values = np.random.default_rng(3).normal(2.0, 1.0, size=400)
    interval = mean_interval(values)
    assert interval.low < interval.mean < interval.high and interval.mean == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)


def test_interval_covers_the_true_mean_about_95_times_in_100():
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        interval = mean_interval(random.exponential(size=60))
        hits += interval.low <= 1.0 <= interval.high
    assert 88 <= hits <= 99


def test_same_values_give_the_same_interval_also_in_small_pieces(monkeypatch):
    values = np.random.default_rng(1).normal(size=50)
    assert mean_interval(values) == mean_interval(values.copy())
    one = mean_interval(values)
    monkeypatch.setattr("espnet_codecse.report.bootstrap._CHUNK_VALUES", 50 * 7)
    assert mean_interval(values) == one


def test_missing_values_are_left_out_and_counted():
    interval = mean_interval(np.array([1.0, np.nan, 3.0]))
    assert (interval.mean, interval.count) == (2.0, 2) and 1.0 <= interval.low <= interval.high <= 3.0
    assert mean_interval(np.array([np.nan])).count == 0

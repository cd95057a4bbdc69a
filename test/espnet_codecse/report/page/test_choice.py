"""Which utterances are heard."""

import pytest

from espnet_codecse.errors import UserError
from espnet_codecse.report.page.choice import check_names, choose, choose_by_name, rank
from espnet_codecse.report.scores import Row

NAN = float("nan")
ROWS = [
    Row("Unprocessed", "noisy", {"PESQ": {"a": 9.0, "b": 1.0, "c": 1.0, "d": 1.0}}),
    Row("x", "continuous", {"PESQ": {"a": 1.0, "b": 2.0, "c": 3.0, "d": NAN}, "LSD": {"a": 1.0, "b": 2.0}}),
    Row("y", "continuous", {"PESQ": {"a": 2.0, "b": 2.0, "c": NAN, "d": NAN}}),
]


def test_the_rank_is_of_the_mean_over_experiments():
    assert rank(ROWS, "PESQ") == ["c", "b", "a"]  # d has no value, the mixture does not count
    assert rank(ROWS[:1], "PESQ") == ["a", "b", "c", "d"]
    assert rank(ROWS, "LSD") == ["a", "b"]  # a distance: the smallest is the best


@pytest.mark.parametrize(
    "count, expected",
    [
        (0, {}),
        (1, {"best": "a"}),
        (3, {"best": "a", "median": "d", "worst": "g"}),
        (5, {"best": "ab", "median": "d", "worst": "fg"}),
        (99, {"best": "abc", "median": "de", "worst": "fg"}),
    ],
)
def test_a_third_from_each_part(count, expected):
    chosen = choose(list("abcdefg"), count)
    assert chosen == {utterance: where for where, names in expected.items() for utterance in names}


def test_by_name():
    assert choose_by_name(ROWS, ["b", "elsewhere"]) == {"b": "asked for"}
    with pytest.raises(UserError, match="--utterances elsewhere: no row has a score for it"):
        check_names(ROWS, ["b", "elsewhere"])

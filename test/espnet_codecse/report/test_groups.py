"""Groups of utterances for breakdowns."""

import numpy as np
import pytest

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import write_scp
from espnet_codecse.report.groups import NOISE, SNR, SPEAKER, names_in_order, read_groups


def test_levels_noises_and_speakers(tmp_path):
    write_scp(tmp_path / "utt2snr", {"a": 5, "b": -5, "c": 2.5})
    write_scp(tmp_path / "utt2noise", {"a": "rain", "b": "babble of two", "c": "rain"})
    write_scp(tmp_path / "utt2spk", {"a": "s", "b": "s", "c": "s"})
    groups = read_groups(tmp_path)
    assert list(groups[SNR].values()) == ["-5 dB", "2.5 dB", "5 dB"]
    assert groups[NOISE] == {"a": "rain", "b": "babble of two", "c": "rain"}
    assert SPEAKER not in groups  # one speaker is no breakdown
    assert read_groups(tmp_path / "nothing") == {}


def test_many_levels_are_taken_together_and_many_speakers_left_out(tmp_path):
    snr = np.random.default_rng(0).uniform(-5, 19.9, 200).round(1)
    write_scp(tmp_path / "utt2snr", {f"u{i:03}": value for i, value in enumerate(snr)})
    write_scp(tmp_path / "utt2spk", {f"u{i:03}": f"s{i % 30}" for i in range(200)})
    groups = read_groups(tmp_path)
    assert list(groups) == [SNR]
    assert names_in_order(SNR, [groups[SNR]]) == ["-5 to 0 dB", "0 to 5 dB", "5 to 10 dB", "10 to 15 dB", "15 to 20 dB"]
    for index, value in enumerate(snr):
        low, high = (float(part) for part in groups[SNR][f"u{index:03}"].removesuffix(" dB").split(" to "))
        assert low <= value < high


def test_levels_of_several_sets_stand_from_low_to_high():
    tables = [{"a": "0 dB", "b": "10 dB"}, {"c": "-5 dB", "d": "10 dB"}]
    assert names_in_order(SNR, tables) == ["-5 dB", "0 dB", "10 dB"]


def test_a_level_that_is_no_number(tmp_path):
    write_scp(tmp_path / "utt2snr", {"a": "loud"})
    with pytest.raises(UserError, match="utt2snr: not a number in dB"):
        read_groups(tmp_path)

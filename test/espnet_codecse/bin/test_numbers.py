"""Numbers as options: what is no number, or out of range, is told with the option's name and status 2."""

import argparse

import pytest

from espnet_codecse.bin.main import main
from espnet_codecse.bin.numbers import above_zero, natural, not_negative, positive, sample_rate


@pytest.mark.parametrize(
    "parse, good, bad",
    [
        (natural, {"0": 0, "12": 12}, ["-1", "many", "1.5", "", "1e3"]),
        (positive, {"1": 1, "12": 12}, ["0", "-1", "many", "inf"]),
        (not_negative, {"0": 0.0, ".5": 0.5, "1e3": 1000.0}, ["-0.1", "nan", "inf", "long"]),
        (above_zero, {"0.5": 0.5, "30": 30.0}, ["0", "-1", "nan", "inf", "long"]),
        (sample_rate, {"16k": 16000, "44.1k": 44100, "8000": 8000}, ["0", "-8k", "inf", "nan", "k", "16kk", "fast"]),
    ],
)
def test_values(parse, good, bad):
    assert {text: parse(text) for text in good} == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is not a"):
            parse(text)


@pytest.mark.parametrize(
    "command",
    [
        "score --inf_scp x --output_dir y --nj -3",
        "format x y --nj many",
        "format x y --max_duration -1",
        "extract --codec x a b --batch_size 0",
        "infer --codec x --output_dir y z --batch_seconds nan",
        "prepare_mini --num_train -5",
        "prepare_mini --seed -1",
        "prepare_vctk_demand --subset -1",
        "check --codec small --fs -16k",
        "enhance x -o y --segment_seconds -1",
    ],
)
def test_commands_say_which_option(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main(command.split())
    assert caught.value.code == 2
    assert f"argument {command.split()[-2]}: " in capsys.readouterr().err

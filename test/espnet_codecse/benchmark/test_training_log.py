"""Speed of a training from its log."""

import pytest

from espnet_codecse.benchmark.training_log import read_training_speed


def line(first, waiting, seconds):
    text = f"iter_time={waiting}, forward_time=0.1, loss=-3.1e-01, backward_time=0.2, optim0_lr0=1.000e-04"
    return f"[vm] (trainer:811) INFO: 1epoch:train:{first}-{first + 9}batch: {text}, train_time={seconds}"


def test_median_speed_and_share_of_waiting_without_the_first_line(tmp_path):
    lines = [line(1, 5.0, 9.0), line(11, 0.1, 0.4), "something else", line(21, 0.1, 0.5), line(31, 0.0, 0.5)]
    (tmp_path / "train.log").write_text("\n".join(lines))
    speed = read_training_speed(tmp_path / "train.log")
    assert speed.steps_per_second == pytest.approx(2.0) and speed.waiting_share == pytest.approx(0.2 / 1.4)


def test_no_log_or_no_step(tmp_path):
    assert read_training_speed(tmp_path / "train.log") is None
    (tmp_path / "train.log").write_text(line(1, 5.0, 9.0))
    assert read_training_speed(tmp_path / "train.log") is None

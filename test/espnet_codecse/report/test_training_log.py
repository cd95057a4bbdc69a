"""Curves, speed and cost of a training from ESPnet's own lines."""

import pytest
from report_tree import TRAIN_LOG

from espnet_codecse.report.training_log import MACHINE, read_curves, read_speed, read_summary


def test_epochs_of_both_phases_without_times(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("x\n" + "".join(TRAIN_LOG.format(epoch=epoch, loss=-epoch, valid=epoch / 2) for epoch in (1, 2)))
    curves = read_curves(log)
    assert set(curves) == {"loss", "grad_norm", "optim0_lr0"}
    assert curves["loss"] == {"train": [[1, -1.0], [2, -2.0]], "valid": [[1, 0.5], [2, 1.0]]}
    assert curves["optim0_lr0"] == {"train": [[1, 1e-4], [2, 1e-4]]}


def test_the_later_one_of_an_epoch_counts_and_what_is_no_number_is_left_out(tmp_path):
    log = tmp_path / "train.log"
    lines = [(1, "0.5"), (2, "nan"), (3, "4.0"), (3, "3.0"), (4, "1.5e-03")]
    log.write_text("".join(TRAIN_LOG.format(epoch=epoch, loss=loss, valid="inf") for epoch, loss in lines))
    assert read_curves(log)["loss"] == {"train": [[1, 0.5], [3, 3.0], [4, 0.0015]]}
    log.write_bytes(b"\xff\xfe nothing here\n")
    assert read_curves(log) == {}


def step(first, waiting, seconds):
    text = f"iter_time={waiting}, forward_time=0.1, loss=-3.1e-01, backward_time=0.2, optim0_lr0=1.000e-04"
    return f"[vm] (trainer:811) INFO: 1epoch:train:{first}-{first + 9}batch: {text}, train_time={seconds}"


def test_median_speed_and_share_of_waiting_without_the_first_line(tmp_path):
    lines = [step(1, 5.0, 9.0), step(11, 0.1, 0.4), "something else", step(21, 0.1, 0.5), step(31, 0.0, 0.5)]
    (tmp_path / "train.log").write_text("\n".join(lines))
    speed = read_speed(tmp_path / "train.log")
    assert speed.steps_per_second == pytest.approx(2.0) and speed.waiting_share == pytest.approx(0.2 / 1.4)


def test_no_log_or_no_step(tmp_path):
    assert read_speed(tmp_path / "train.log") is None
    (tmp_path / "train.log").write_text(step(1, 5.0, 9.0))
    assert read_speed(tmp_path / "train.log") is None


EPOCH = (
    "[vm] 2026-01-01 00:00:00,000 (trainer:394) INFO: {epoch}epoch results: [train] iter_time=0.001, loss=-1.0, "
    "train_time=0.5, time={train}, total_count={count}, [valid] loss=-2.0, time={valid}, total_count=9, "
    "[att_plot] time=0.5 seconds, total_count=0\n"
)


def test_what_a_training_took(tmp_path):
    log = tmp_path / "train.log"
    epochs = [
        (1, "50 seconds", "1.5 seconds", 100),
        (2, "9 minutes and 10 seconds", "1 second", 200),
        (2, "1 minute and 10 seconds", "2 seconds", 200),
        (3, "1 hour, 2 minutes and 3.5 seconds", "3 seconds", 300),
    ]
    texts = [EPOCH.format(epoch=epoch, train=train, valid=valid, count=count) for epoch, train, valid, count in epochs]
    before = "    Total Number of model parameters: 14.10 M\n    Number of trainable parameters: 12.69 M (90.0%)\n"
    runs = [f"[vm] (trainer:80) INFO: {MACHINE}{name}\n" for name in ("Fast X, 1 thread", "Slow Y, 2 threads")]
    log.write_text(before + runs[0] + texts[0] + texts[1] + before + runs[1] + runs[0] + texts[2] + texts[3])
    seconds = pytest.approx(50 + 1.5 + 70 + 2 + 3723.5 + 3)
    assert read_summary(log) == (300, seconds, "12.69 M", ("Fast X, 1 thread", "Slow Y, 2 threads"))


def test_a_log_that_says_less(tmp_path):
    log = tmp_path / "train.log"
    assert read_summary(log) is None
    log.write_text("Number of trainable parameters: 9 (1%)\nnothing ended\n")
    assert read_summary(log) is None
    log.write_text(EPOCH.format(epoch=1, train="2.25 seconds", valid="0 seconds", count=7))
    assert read_summary(log) == (7, 2.25, "", ())

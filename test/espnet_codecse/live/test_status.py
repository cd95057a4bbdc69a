"""The status line and the times of frames."""

import io

import numpy as np

from espnet_codecse.live.status import StatusLine
from espnet_codecse.live.timing import FrameTimes


def test_levels_load_and_glitches_on_one_line():
    target = io.StringIO()
    status = StatusLine(target, interval_seconds=0.0)
    status.heard(np.full((100, 2), 0.1), "in")
    status.heard(np.zeros((100, 2)), "out")
    status.worked(0.004, 0.016, 3)
    line = target.getvalue()
    assert line.startswith("\r") and "in -20.0 dBFS" in line and "out -99.0 dBFS" in line
    assert "load  25 %" in line and "glitches 3" in line and "\n" not in line
    status.end()
    assert target.getvalue().endswith("\n")


def test_no_line_before_it_is_time():
    target = io.StringIO()
    status = StatusLine(target, interval_seconds=1000)
    status.worked(1, 1, 0)
    status.end()
    assert target.getvalue() == ""


def test_percentiles_and_the_worst_frame():
    times = FrameTimes(0.02)
    assert times.report(1) == "no frame was completed"
    for busy in (0.002, 0.004, 0.006, 0.03):
        times.add(2 * busy, 2)
    times.add(0.001, 0)
    text = times.report(1.0)
    assert text.startswith("4 frames of 20 ms on one thread: p50 5.00 ms") and "worst 30.00 ms" in text
    assert text.endswith("1 took longer than they last; real-time factor 0.085")

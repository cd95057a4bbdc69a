"""Saving that survives a kill, and going on after one."""

import contextlib
import datetime
import os
import resource
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from espnet2.train.reporter import SubReporter

from espnet_codecse.checkpoint import load_checkpoint
from espnet_codecse.errors import UserError
from espnet_codecse.task.trainer import CrashSafeTrainer, atomic_saving, check_losses

WRITER = """
import sys, torch
from espnet_codecse.task.trainer import atomic_saving
value = {"step": torch.zeros(1), "weights": torch.zeros(4_000_000)}
with atomic_saving():
    while True:
        value["step"] += 1
        value["weights"] += 1
        torch.save(value, sys.argv[1])
"""


@pytest.mark.parametrize("name", ["loss", "generator_loss", "discriminator_loss"])
@pytest.mark.parametrize("weight", [None, 2])
def test_an_epoch_without_a_finite_loss_is_an_error(name, weight):
    reporter = SubReporter("train", 3, 0)
    for value in (np.nan, np.inf):
        reporter.register({name: torch.tensor(value), "other": 0.1}, weight)
        reporter.next()
    with pytest.raises(
        UserError, match=f"^epoch 3: the {name} of training was NaN or infinite in all of its 2 steps; "
    ):
        check_losses(reporter, "training")
    reporter.register({name: 0.5, "other": np.nan}, weight)
    check_losses(reporter, "training")  # a step may fail
    check_losses(SubReporter("valid", 3, 0), "validation")


@pytest.mark.slow
def test_kill_while_saving_leaves_a_whole_file(tmp_path):
    target = tmp_path / "checkpoint.pth"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(target)]) as process:
        try:
            seen = 0
            deadline = time.monotonic() + 60
            while not target.exists() and time.monotonic() < deadline:
                time.sleep(0.005)
            # Kill in the middle of a write: a temporary file beside the old checkpoint shows that one is under way.
            while time.monotonic() < deadline and seen == 0:
                partial = [path for path in tmp_path.glob(".checkpoint.*") if 0 < _size(path) < 15_000_000]
                seen = len(partial)
        finally:
            process.send_signal(signal.SIGKILL)
    assert seen
    content = torch.load(target)
    assert content["step"].item() >= 1
    assert torch.equal(content["weights"], content["step"].expand(4_000_000))


def _size(path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_saving_is_as_before_afterwards(tmp_path):
    plain = torch.save
    with pytest.raises(RuntimeError), atomic_saving():
        assert torch.save is not plain
        raise RuntimeError
    assert torch.save is plain


@contextlib.contextmanager
def no_file_left():
    """Yield while this process can open no further file."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, limits[1]))
    taken = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    try:
        yield
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_saving_without_file_descriptors(tmp_path):
    target = tmp_path / "checkpoint.pth"
    torch.save({"epoch": torch.tensor(1)}, target)
    expected = pytest.raises(UserError, match="cannot be written .*; raise the limit of open files: ulimit -n 4096")
    with no_file_left(), expected, atomic_saving():
        torch.save({"epoch": torch.tensor(2)}, target)
    assert load_checkpoint(target)["epoch"] == 1 and os.listdir(tmp_path) == ["checkpoint.pth"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_what_the_writer_of_torch_raises_is_one_line(tmp_path, monkeypatch):
    target = tmp_path / "checkpoint.pth"
    torch.save({"epoch": torch.tensor(1)}, target)
    plain = torch.save
    monkeypatch.setattr(torch, "save", lambda value, path: plain(value, "/dev/full"))
    with pytest.raises(UserError, match="checkpoint.pth: cannot be written .*; is the disk full"), atomic_saving():
        torch.save({"epoch": torch.zeros(1_000_000)}, target)
    assert load_checkpoint(target)["epoch"] == 1 and os.listdir(tmp_path) == ["checkpoint.pth"]


class Reporter:
    """What the trainer asks of ESPnet's reporter."""

    def load_state_dict(self, state):
        self.state = state

    def get_epoch(self):
        return self.state["epoch"]

    def has(self, phase, key):
        return (phase, key) == ("valid", "loss")

    def get_best_epoch(self, phase, key, mode):
        return self.state["best"]


@pytest.fixture
def died(tmp_path, monkeypatch):
    """A run that died after writing the checkpoint of epoch 3, the best, and before anything else."""
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    states = {
        "model": model.state_dict(),
        "reporter": {"epoch": 3, "best": 3},
        "optimizers": [optimizer.state_dict()],
        "schedulers": [None],
        "scaler": None,
    }
    torch.save(states, tmp_path / "checkpoint.pth")
    torch.save({}, tmp_path / "2epoch.pth")
    for name in ("latest.pth", "valid.loss.best.pth"):
        (tmp_path / name).symlink_to("2epoch.pth")
    monkeypatch.setattr(CrashSafeTrainer, "_criteria", [("valid", "loss", "min"), ("train", "acc", "max")])
    return SimpleNamespace(folder=tmp_path, states=states)


def resume(folder, model):
    optimizer = torch.optim.Adam(model.parameters())
    CrashSafeTrainer.resume(folder / "checkpoint.pth", model, Reporter(), [optimizer], [None], None)


def test_resume_finishes_the_epoch(died):
    model = torch.nn.Linear(2, 2)
    resume(died.folder, model)
    assert torch.equal(model.weight, died.states["model"]["weight"])
    saved = torch.load(died.folder / "3epoch.pth")
    assert torch.equal(saved["weight"], model.weight)
    assert os.readlink(died.folder / "latest.pth") == "3epoch.pth"
    assert os.readlink(died.folder / "valid.loss.best.pth") == "3epoch.pth"
    assert not (died.folder / "train.acc.best.pth").exists()


def test_resume_keeps_what_is_complete(died):
    torch.save(died.states["model"], died.folder / "3epoch.pth")
    torch.save({**died.states, "reporter": {"epoch": 3, "best": 2}}, died.folder / "checkpoint.pth")
    before = (died.folder / "3epoch.pth").stat().st_mtime_ns
    resume(died.folder, torch.nn.Linear(2, 2))
    assert (died.folder / "3epoch.pth").stat().st_mtime_ns == before
    assert os.readlink(died.folder / "valid.loss.best.pth") == "2epoch.pth"


def test_what_espnets_reporter_keeps_is_plain(tmp_path):
    state = {"time": datetime.timedelta(seconds=3), "loss": np.float64(0.5), "lr": np.float32(0.25), "n": np.int64(7)}
    torch.save(state, tmp_path / "checkpoint.pth")
    assert load_checkpoint(tmp_path / "checkpoint.pth") == state
    torch.save({"x": os.getcwd}, tmp_path / "checkpoint.pth")
    with pytest.raises(UserError, match="nsupported GLOBAL posix.getcwd"):
        load_checkpoint(tmp_path / "checkpoint.pth")


def test_resume_refuses_another_model(died):
    with pytest.raises(UserError, match="does not fit the model's configuration; of another shape: bias, weight"):
        resume(died.folder, torch.nn.Linear(2, 3))
    (died.folder / "checkpoint.pth").write_bytes(b"cut")
    with pytest.raises(UserError, match="checkpoint.pth: not a plain checkpoint"):
        resume(died.folder, torch.nn.Linear(2, 2))


@pytest.mark.parametrize(
    "changes",
    [{"model": None}, {"reporter": {}}, {"reporter": {"epoch": "x"}}, {"optimizers": [{}]}, {"optimizers": 3}],
)
def test_damaged_states_are_one_line(died, changes):
    torch.save({**died.states, **changes}, died.folder / "checkpoint.pth")
    with pytest.raises(UserError, match="checkpoint.pth: ") as caught:
        resume(died.folder, torch.nn.Linear(2, 2))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["model", "reporter", "optimizers", "schedulers", "scaler"])
def test_states_without_a_part(died, key):
    torch.save({name: value for name, value in died.states.items() if name != key}, died.folder / "checkpoint.pth")
    if key == "scaler":  # of no use without mixed precision
        resume(died.folder, torch.nn.Linear(2, 2))
        return
    with pytest.raises(UserError, match=f"not a state of this training .KeyError: '{key}'.; remove the file"):
        resume(died.folder, torch.nn.Linear(2, 2))

"""Cores and memory are those of the container, whichever version of cgroups limits it."""

import os

import pytest

from espnet_codecse.job import resources


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Sixteen cores, and a folder of control groups to be filled."""
    monkeypatch.setattr(resources, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # restored afterwards
    monkeypatch.delenv("OMP_NUM_THREADS")
    for folder in ("cpu", "memory"):
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "files, cores",
    [
        ({}, 16),
        ({"cpu.max": "max 100000"}, 16),
        ({"cpu.max": "250000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "what"}, 16),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4),
    ],
)
def test_cores_and_threads(machine, files, cores):
    for name, text in files.items():
        (machine / name).write_text(text + "\n")
    assert resources.num_cores() == cores and resources.default_nj(mem_per_job=1e-6) == cores
    resources.limit_threads()
    assert os.environ.get("OMP_NUM_THREADS") == (None if cores == 16 else str(cores))


def test_the_users_number_of_threads_stays(machine, monkeypatch):
    (machine / "cpu.max").write_text("200000 100000")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    resources.limit_threads()
    assert os.environ["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize("limit, used", [("memory.max", "memory.current"),
                                         ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")])  # fmt: skip
def test_memory(machine, limit, used):
    whole = resources.free_memory()
    (machine / limit).write_text("max\n" if "max" in limit else "9223372036854771712\n")
    (machine / used).write_text("300000000\n")
    assert resources.free_memory() == pytest.approx(whole, rel=0.2)
    (machine / limit).write_text("500000000\n")
    assert resources.free_memory() == pytest.approx(0.2)
    assert resources.default_nj(mem_per_job=2.0) == 1

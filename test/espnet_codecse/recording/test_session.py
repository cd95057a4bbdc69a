"""How many processes a run gets."""

from pathlib import Path

import pytest

from espnet_codecse.recording import session
from espnet_codecse.recording.job import Job, Options
from espnet_codecse.recording.session import Session


@pytest.mark.parametrize(
    "seconds, chosen, device, expected",
    [(30, 0, "cpu", 1), (700, 0, "cpu", 2), (5000, 0, "cpu", 4), (5000, 0, "cuda", 1), (30, 3, "cpu", 3)],
)
def test_a_process_a_core_where_each_has_minutes_of_audio(monkeypatch, seconds, chosen, device, expected):
    monkeypatch.setattr(session, "default_nj", lambda mem_per_job: 4)
    jobs = [Job(Path(f"{index}.wav"), (), None, None, seconds / 10, 1) for index in range(10)]
    run = Session("enhanced", Options(device=device), num_jobs=chosen)
    assert run._num_processes(jobs, 10) == expected
    assert run._num_processes(jobs, 1) == 1


@pytest.mark.parametrize("free, device, expected", [(100.0, "cpu", 60.0), (1.0, "cpu", 10.0), (1.0, "cuda", 60.0)])
def test_batches_fit_into_memory(monkeypatch, free, device, expected):
    monkeypatch.setattr(session, "free_memory", lambda: free)
    assert Session("enhanced", Options(device=device))._batch_seconds(num_processes=2) == pytest.approx(expected)

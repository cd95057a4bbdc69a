"""A recipe with cmd_backend=slurm: stages 2, 3, 6 and 7 as arrays, training as a job, one task killed on the way."""

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from recipe_results import check_results, embeddings_of, same_embeddings
from recipe_runs import ROWS, TIME_LIMIT, run
from slurm_cluster import needs_slurm, slurm_cluster

ROW = next(row for row in ROWS if row.experiment == "stored_waveform")
ROWS_OF_SLURM = "{kind}:\n    mem: 500M\n    gpu: 0\n    cpus: 1\n"

pytest.importorskip("submitit")
pytestmark = [needs_slurm, pytest.mark.slow]


def tasks_of(stage: str, variables: dict) -> list[int]:
    """Process numbers of submitit's tasks of the test's cluster whose job is named after ``stage``."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            mine = f"SLURM_CONF={variables['SLURM_CONF']}".encode() in (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is another user's
            continue
        if mine and b"submitit.core._submit" in words and b"srun" not in words[0] and f"/{stage}".encode() in words[-2]:
            found.append(int(folder.name))
    return found


def test_stages_run_as_arrays_and_a_killed_task_runs_again(tree, tmp_path, monkeypatch):
    own = tree._replace(dump=tmp_path / "dump", exp=tmp_path / "exp")
    (tmp_path / "slurm.yaml").write_text(
        "".join(ROWS_OF_SLURM.format(kind=kind) for kind in ("train", "cuda", "decode"))
    )
    with slurm_cluster() as variables:
        for name, value in {**variables, "cmd_backend": "slurm"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CODECSE_SLURM_CONF", str(tmp_path / "slurm.yaml"))
        command = ["--stage", 2, *own.options(ROW), "--nj", 2]
        with ThreadPoolExecutor(1) as pool:
            recipe = pool.submit(run, ROW.script, *command)
            limit = time.monotonic() + TIME_LIMIT
            while not (tasks := tasks_of("infer_", variables)):
                assert not recipe.done(), recipe.result().stdout
                assert time.monotonic() < limit
                time.sleep(0.05)
            os.kill(tasks[0], signal.SIGKILL)
            result = recipe.result()
    assert result.returncode == 0, result.stdout
    assert re.search(r"log/infer_\S+\.log: status 1 \(job \S+ FAILED.*submitted again, 1 of 2", result.stdout)
    for stage in ("format", "extract", "job", "infer_layer_test", "score"):
        assert re.search(rf"parts submitted as job \d+ \({stage}-", result.stdout), f"{stage}:\n{result.stdout}"
    for name in ("train", "valid"):
        same_embeddings(embeddings_of(own, name), embeddings_of(tree, name))
    check_results(own, ROW, ["SI_SDR", "STOI"])
    assert "best model has been updated" in (own.exp / ROW.experiment / "1_enhance" / "job.log").read_text()
    assert not [path for pattern in ("*.slurm", "slurm", "parts/*.jsonl") for path in tmp_path.rglob(pattern)]
    result = run(ROW.script, *command, "--stop_stage", 3)  # here no cluster is needed: all is done
    assert result.returncode == 0 and "submitted" not in result.stdout, result.stdout

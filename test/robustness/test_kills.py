"""A recipe that is killed at random moments gives what an undisturbed one gives."""

import time

import numpy as np
import pytest
from recipe_runs import ROWS, run, run_and_kill

SEED, NUM_KILLS = 20, 10


@pytest.mark.slow
def test_random_kills(tree, tmp_path):
    row = ROWS[0]  # the row of the shared tree, which nothing disturbed
    own = tree._replace(dump=tmp_path / "dump", exp=tmp_path / "exp")
    command = ["--stage", 2, "--stop_stage", 7, *own.options(row)]
    rng = np.random.default_rng(SEED)
    kills = 0
    for _ in range(NUM_KILLS):
        started, delay = time.monotonic(), rng.uniform(0.3, 15.0)  # seconds: within every stage
        kills += run_and_kill(
            row.script, *command, when=lambda: time.monotonic() > started + delay, may_end=True  # noqa: B023
        )  # fmt: skip
    assert kills >= 5
    result = run(row.script, *command)
    assert result.returncode == 0, result.stdout
    expected = {path.relative_to(tree.exp): path for path in tree.exp.rglob("wavs/*/*.flac")}
    found = {path.relative_to(own.exp): path for path in own.exp.rglob("wavs/*/*.flac")}
    assert found.keys() == expected.keys() and len(expected) > 4
    for name, path in expected.items():
        assert found[name].read_bytes() == path.read_bytes(), name
    scores = [path.relative_to(tree.exp) for path in tree.exp.rglob("scoring/*_spk1")]
    assert scores and all((own.exp / name).read_text() == (tree.exp / name).read_text() for name in scores)

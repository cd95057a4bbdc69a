"""Packs made under one ESPnet give the same under the other, in both directions."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOLERANCE = 1e-5
pytestmark = pytest.mark.slow


def other_python() -> str | None:
    """Return the Python of an environment in tools/ with another ESPnet than this one, or None."""
    for python in sorted(ROOT.glob("tools/venv*/bin/python")):
        if (python.parent.parent / ".installed").is_file() and _espnet(str(python)) not in (
            "",
            _espnet(sys.executable),
        ):
            return str(python)
    return None


def _espnet(python: str) -> str:
    command = [python, "-c", "import importlib.metadata as m; print(m.version('espnet'))"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def exchange(python: str, action: str, folder: Path) -> dict[str, Any]:
    """Run zoo_exchange.py and return what it found."""
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    environment.update(PYTHONPATH=f"{ROOT}:{ROOT}/test/helpers", OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore")
    command = [python, str(ROOT / "test/helpers/zoo_exchange.py"), action, str(folder)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("direction", ["from_other", "to_other"])
def test_packs_give_the_same_under_both(direction, tmp_path):
    other = other_python()
    if other is None:
        pytest.skip(
            "no second environment: PYTHON=python3.12 tools/install.sh beside a tools/venv of Python 3.11 makes one"
        )
    writer, reader = (other, sys.executable) if direction == "from_other" else (sys.executable, other)
    written, read = exchange(writer, "write", tmp_path), exchange(reader, "compare", tmp_path)
    assert {written["espnet"], read["espnet"]} == {"202511", "202611"}
    assert set(read["differences"]) == {"nac_se", "tcn", "soundstream", "causal", "given_beats"}
    assert max(read["differences"].values()) < TOLERANCE, read

"""Running recipes in small: generated recordings, a tiny codec, and one prepared tree that tests share."""

import csv
import fcntl
import os
import shlex
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
from tiny_codecs import save_lyra, save_mdct
from voices import RATE, voice

ROOT = Path(__file__).resolve().parents[2]
TIME_LIMIT = 400  # seconds; a hanging recipe fails instead of holding the tests


class Row(NamedTuple):
    """A line of recipes.csv; ``stop_stage`` may be left out, where a row runs to the results."""

    recipe: str
    system: str
    experiment: str
    flags: str
    stop_stage: str = ""

    @property
    def last_stage(self) -> int:
        """Where the row stops."""
        return int(self.stop_stage or 7)

    @property
    def script(self) -> Path:
        """The recipe's run.sh."""
        return ROOT / "egs2" / self.recipe / "enh1" / "run.sh"


class Tree(NamedTuple):
    """Folders of a run; ``recordings`` (of mini), ``corpus`` (of another recipe) and both codecs are its input."""

    recordings: Path
    codec: Path
    data: Path
    dump: Path
    exp: Path
    lyra: Path
    corpus: Path = Path("none")

    def options(self, row: Row) -> list[str]:
        """Options of run.sh for ``row`` in this tree."""
        folders = self._asdict()
        flags = [word.format(**folders) for word in shlex.split(row.flags)]
        output = ["--datadir", self.data, "--dumpdir", self.dump, "--expdir", self.exp]
        stop = ["--stop_stage", row.stop_stage] if row.stop_stage else []
        return [*flags, *stop, "--system", row.system, "--tag", row.experiment, "--nj", "1", *map(str, output)]


def read_rows() -> list[Row]:
    """All lines of recipes.csv."""
    with open(ROOT / "test/recipes.csv", newline="", encoding="utf-8") as stream:
        return [Row(**line) for line in csv.DictReader(stream, restval="")]


ROWS = read_rows()


def environment() -> dict[str, str]:
    """Of a recipe's process: one thread each, and a mark by which its processes are found."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "CODECSE_TEST_RUN": uuid.uuid4().hex}


def _take_one_core() -> None:
    """Called in a new process: a training would otherwise take as many threads as there are cores in every worker."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER", ""):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


def run(script: Path, *options: object) -> subprocess.CompletedProcess:
    """Run a script to its end; ``stdout`` holds both streams in order."""
    command = [str(script), *map(str, options)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        start_new_session=True,
        preexec_fn=_take_one_core,
    )
    try:
        output, _ = process.communicate(timeout=TIME_LIMIT)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # its children too
        raise
    return subprocess.CompletedProcess(command, process.returncode, output)


def run_and_kill(script: Path, *options: object, when: Callable[[], bool], may_end: bool = False) -> bool:
    """Start a script, kill its process group with SIGKILL as soon as ``when()``, and check that nothing lives on.

    Args:
        script, options: the command.
        when: called every few milliseconds.
        may_end: the script may end before, with status 0.

    Returns:
        Whether it was killed.
    """
    variables = environment()
    process = subprocess.Popen(
        [str(script), *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=variables,
        start_new_session=True,
        preexec_fn=_take_one_core,
    )
    limit = time.monotonic() + TIME_LIMIT
    killed = True
    while not when():
        if process.poll() is not None:
            ended_well = may_end and process.returncode == 0
            assert ended_well, f"it ended before it could be killed:\n{process.stdout.read().decode()}"
            killed = False
            break
        assert time.monotonic() < limit
        time.sleep(0.005)
    if killed:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    limit = time.monotonic() + 10
    while alive := _processes_with(f"CODECSE_TEST_RUN={variables['CODECSE_TEST_RUN']}"):
        assert time.monotonic() < limit, f"processes live on: {alive}"
        time.sleep(0.05)
    return killed


def _processes_with(variable: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended, or is another user's
            continue
    return found


def write_recordings(folder: Path) -> None:
    """Write train, valid and test folders of speech and noise: 4, 2 and 4 utterances of 1.2 s."""
    for seed, (split, count) in enumerate((("train", 4), ("valid", 2), ("test", 4))):
        for number in range(count):
            path = folder / split / "speech" / f"{split}{number % 2}" / f"utt{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, voice(19200 + 100 * number, 10 * seed + number), RATE)
        path = folder / split / "noise" / f"white_{split}.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, 0.05 * np.random.default_rng(seed).standard_normal(3 * RATE), RATE)


def shared_tree(factory: pytest.TempPathFactory) -> Tree:
    """The tree in which the first row of recipes.csv was run to the report page; made once for all test processes.

    Its folders have a space and the word JOB in their names. Its output is in ``run.log`` beside it. Tests may read it
    and run in it what changes nothing.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # the workers' common one
    base = base / "recipes"
    base.mkdir(exist_ok=True)
    folders = (base / name for name in ("recordings", "tiny_codec", "data", "dump of JOBS", "exp JOB", "tiny_lyra"))
    tree = Tree(*folders)
    with open(base / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "run.log").exists():
            write_recordings(tree.recordings)
            save_mdct(tree.codec)
            save_lyra(tree.lyra)
            result = run(ROWS[0].script, "--stage", 1, "--stop_stage", 9, *tree.options(ROWS[0]))
            (base / "run.log").write_text(f"{result.stdout}\nstatus {result.returncode}\n")
    log = (base / "run.log").read_text()
    assert log.endswith("status 0\n"), log
    return tree

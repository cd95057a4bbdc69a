"""A Slurm cluster of one node, this machine, in a folder: started for a test, and stopped whatever happens.

It needs the programs of Debian's packages slurm-wlm and munge, no service, no cgroups and no root.
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun", "scancel")
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
# A requeued job waits until its old credential has expired.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
KillWait=2
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
PartitionName=closed Nodes=localhost MaxTime=INFINITE State=DOWN
"""


_MISSING = [name for name in PROGRAMS if shutil.which(name, path=SEARCHED) is None]
needs_slurm = pytest.mark.skipif(
    bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)} (apt-get install slurm-wlm munge)"
)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]


def _processes(marker: str) -> list[int]:
    """Processes whose environment or command line holds ``marker``: daemons, and whatever jobs have started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(marker.encode() in (folder / name).read_bytes() for name in ("environ", "cmdline")):
                found.append(int(folder.name))
        except OSError:  # it has ended, or is another user's
            continue
    return [number for number in found if number != os.getpid()]


@contextlib.contextmanager
def slurm_cluster(cpus: int = 2) -> Iterator[dict[str, str]]:
    """Start a cluster and yield the variables that the processes which use it need: ``SLURM_CONF`` and ``PATH``."""
    # Not pytest's folder: a socket's path may have about 100 letters, and all its folders must be open to others.
    with (
        tempfile.TemporaryDirectory(prefix="slurm", ignore_cleanup_errors=True) as folder,
        _cluster_in(Path(folder), cpus) as variables,
    ):
        yield variables


@contextlib.contextmanager
def _cluster_in(folder: Path, cpus: int) -> Iterator[dict[str, str]]:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    folder.chmod(0o755)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=folder, user=getpass.getuser(), cpus=cpus, ports=_free_ports(2))
    )
    variables = {"SLURM_CONF": str(configuration), "PATH": SEARCHED}
    environment = {**os.environ, **variables}
    munged = [
        f"--{name}={folder}/munge.{suffix}"
        for name, suffix in (
            ("socket", "socket"),
            ("key-file", "key"),
            ("pid-file", "pid"),
            ("log-file", "log"),
            ("seed-file", "seed"),
        )
    ]
    daemons: list[subprocess.Popen] = []
    try:
        for command in (["munged", "--foreground", *munged], ["slurmctld", "-D"], ["slurmd", "-D", "-N", "localhost"]):
            with open(folder / f"{command[0]}.out", "wb") as output:
                daemons.append(
                    subprocess.Popen(
                        [shutil.which(command[0], path=SEARCHED), *command[1:]],
                        env=environment,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        stdin=subprocess.DEVNULL,
                        start_new_session=True,
                    )
                )
            if command[0] == "munged":
                _wait(lambda: (folder / "munge.socket").exists(), folder)
        _wait(lambda: _is_idle(environment), folder)
        yield variables
    finally:
        subprocess.run(["scancel", "--user", str(os.getuid())], env=environment, capture_output=True, check=False)
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(timeout=5)
        while alive := _processes(str(configuration)):
            for number in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.05)


def _is_idle(environment: dict[str, str]) -> bool:
    command = ["sinfo", "--noheader", "--partition=main", "--format=%T"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return result.stdout.strip() == "idle"


def _wait(ready, folder: Path, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            logs = "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in folder.glob("*.[lo][ou][gt]"))
            raise RuntimeError(f"the test's Slurm did not start:\n{logs}")
        time.sleep(0.1)

"""The command line of the runner: Kaldi's ``run.pl`` calling convention."""

import re
import sys
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.job.abs_backend import AbsBackend, Part, Resources
from espnet_codecse.job.interrupt import Interrupted
from espnet_codecse.job.marker import is_done

USAGE = """usage: python3 -m espnet_codecse.job [options] [JOB=1:nj] log/x.JOB.log command [arguments]

Runs the command nj times, with JOB replaced by 1 ... nj in the log's name and in the arguments. All parts are run even
if one fails. If a part fails, the path and the last lines of its log are shown and the status is 1. An argument that is
a shell operator by itself ('|', '>', '<', '&&', ...) acts as an operator.

options:
  --backend NAME      local: processes of this machine (default); slurm: arrays of Slurm jobs
  --max_jobs_run N    parts at once (default: number of cores; with --gpu: number of GPUs / N; slurm: slurm.yaml)
  --gpu N             GPUs per part (default: 0; slurm: slurm.yaml). local: sets CUDA_VISIBLE_DEVICES to the part's
                      index modulo the visible devices
  --resume            skip parts that succeeded before with the same command (marker <log>.done)
  --print_nj          print the number of parts that fit this machine (slurm: that of slurm.yaml) and stop
  --mem_per_job GB    memory of one part, for --print_nj (default: 2)
  --kind NAME         slurm: section of slurm.yaml: train, cuda or decode (default: train)
  --config FILE       slurm: slurm.yaml to use instead of those in the variable CODECSE_SLURM_CONF
  --NAME VALUE        slurm: override slurm.yaml: mem, time, num_threads, partition, num_nodes (one task per node).
                      Other options of run.pl / slurm.pl are accepted and ignored

On Ctrl-C or a signal, the runner stops its parts or cancels its Slurm jobs. Slurm jobs outlive a runner that was killed
with SIGKILL; the same command then waits for those that are still queued or running.
"""
BACKENDS = ("local", "slurm")
FLAGS = ("resume", "print_nj", "help")
TAIL_LINES = 20


def _take_options(argv: list[str], options: dict[str, str]) -> list[str]:
    """Move leading ``--name value`` (or ``-name value``) pairs to ``options`` and return the rest."""
    while argv and re.match(r"--?[A-Za-z]", argv[0]):
        name = argv[0].lstrip("-").replace("-", "_")
        if name == "h":
            name = "help"
        if name in FLAGS:
            options[name], argv = "true", argv[1:]
        elif len(argv) < 2:
            raise UserError(f"{argv[0]}: the option needs a value; see --help")
        else:
            options[name], argv = argv[1], argv[2:]
    return argv


def _number(options: dict[str, str], name: str, default: float) -> float:
    try:
        return float(options.get(name, default))
    except ValueError:
        raise UserError(f"--{name}: not a number; see --help") from None


def parse(argv: list[str]) -> tuple[list[Part], dict[str, str]]:
    """Return the parts (empty if there is nothing to run) and the options by name."""
    options: dict[str, str] = {}
    argv = _take_options(list(argv), options)
    name, first, last = "", 1, 1
    found = re.fullmatch(r"([A-Za-z_]\w*)=(\d+)(?::(\d+))?", argv[0]) if argv else None
    if found:
        name, first = found.group(1), int(found.group(2))
        last = int(found.group(3) or first)
        argv = _take_options(argv[1:], options)
    if "help" in options or "print_nj" in options:
        return [], options
    if last < first:
        raise UserError(f"{name}={first}:{last}: the range is empty; the last number must not be below the first")
    if len(argv) < 2:
        raise UserError("a log file and a command are needed; see --help")
    if name and last > first and name not in argv[0]:
        raise UserError(f"{argv[0]}: '{name}' does not occur in the log's name; the parts would share one log")
    parts = []
    for index in range(first, last + 1):
        log, *command = [arg.replace(name, str(index)) if name else arg for arg in argv]
        parts.append(Part(index, Path(log), tuple(command)))
    return parts, options


def make_backend(options: dict[str, str]) -> AbsBackend:
    """Return the back end that the options name, and remove its own options from them."""
    name, kind, config = options.pop("backend", "local"), options.pop("kind", "train"), options.pop("config", "")
    if name == "local":
        from espnet_codecse.job.local import LocalBackend

        return LocalBackend()
    if name == "slurm":
        from espnet_codecse.job.slurm import SlurmBackend
        from espnet_codecse.job.slurm_settings import settings_files

        return SlurmBackend(kind, settings_files(config))
    raise UserError(f"--backend {name}: unknown; known: {', '.join(BACKENDS)}")


def report_failures(parts: list[Part], status: dict[int, int]) -> None:
    """Show the first failing part's log path and last lines, and name the other failing logs."""
    failed = [part for part in parts if status[part.index] != 0]
    print(f"job: {len(failed)} of {len(parts)} parts failed", file=sys.stderr)
    for position, part in enumerate(failed):
        print(f"job: {part.log}: status {status[part.index]}", file=sys.stderr)
        if position == 0:
            lines = part.log.read_text(encoding="utf-8", errors="replace").splitlines()
            print("\n".join(f"    {line}" for line in lines[-TAIL_LINES:]), file=sys.stderr)


def main(argv: list[str]) -> int:
    """Run the parts; return 0 if all succeeded, 1 if one failed, 128 + signal if interrupted."""
    try:
        parts, options = parse(argv)
        backend = make_backend(options)
        mem_per_job = _number(options, "mem_per_job", 2.0)
        if "print_nj" in options:
            print(backend.default_nj(mem_per_job))
            return 0
        if not parts:
            print(USAGE)
            return 0
        resume = options.pop("resume", None) is not None
        resources = Resources(int(_number(options, "gpu", 0)), int(_number(options, "max_jobs_run", 0)), options)
        missing = [part for part in parts if not (resume and is_done(part))]
        if len(missing) < len(parts):
            print(f"job: {len(parts) - len(missing)} of {len(parts)} parts skipped (already done)", file=sys.stderr)
        status = backend.run(missing, resources)
    except UserError as error:
        print(f"job: {error}", file=sys.stderr)
        return 1
    except Interrupted as interrupted:
        print("job: interrupted; all parts were stopped", file=sys.stderr)
        return 128 + int(interrupted.args[0])
    if any(status.values()):
        report_failures(missing, status)
        return 1
    return 0

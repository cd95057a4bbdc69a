"""Read ``slurm.yaml``, the Slurm options of each kind of job, as parameters of submitit."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from espnet_codecse.errors import UserError
from espnet_codecse.job.abs_backend import Resources

FILES_VARIABLE = "CODECSE_SLURM_CONF"  # files separated by colons; later ones are merged over earlier ones
DEFAULT_NJ = "16"
NUMBERS = ("cpus", "gpu", "nj", "max_jobs_run", "retries", "num_nodes")
# Options of run.pl and slurm.pl, and their names in slurm.yaml.
OPTION_NAMES = {name: name for name in ("gpu", "max_jobs_run", "mem", "time", "num_nodes", "partition")}
OPTION_NAMES["num_threads"] = "cpus"


@dataclass(frozen=True)
class SlurmSettings:
    """Slurm settings of the parts of a stage.

    Attributes:
        source: files and kind, for messages.
        parameters: parameters of submitit's Slurm executor.
        nj: default number of parts.
        retries: how often a part that failed or was lost is submitted again.
    """

    source: str
    parameters: dict[str, Any]
    nj: int
    retries: int


def settings_files(given: str = "") -> list[Path]:
    """Return ``given`` (a file), or the existing files of the variable CODECSE_SLURM_CONF."""
    if given:
        return [Path(given)]
    return [path for path in map(Path, filter(None, os.environ.get(FILES_VARIABLE, "").split(":"))) if path.is_file()]


def read_settings(kind: str, files: list[Path], resources: Resources) -> SlurmSettings:
    """Merge the rows of ``kind`` in all ``files`` with the options of the command line.

    Raises:
        UserError: a file is missing or malformed, the kind is unknown, or a value is not a number or time.
    """
    rows: dict[str, str] = {}
    source = f"{', '.join(map(str, files)) or 'slurm.yaml'}: {kind}"
    for file in files:
        content = _read(file)
        if file == files[0] and kind not in content:
            raise UserError(f"{file}: has no kind '{kind}'; known: {', '.join(content)}")
        rows.update(content.get(kind) or {})
    rows.update({OPTION_NAMES[name]: value for name, value in resources.other.items() if name in OPTION_NAMES})
    rows = {name: value for name, value in rows.items() if value != ""}
    numbers = {name: _number(source, name, rows.pop(name)) for name in NUMBERS if name in rows}
    cpus, num_nodes = numbers.get("cpus", 1), numbers.get("num_nodes", 1)
    parameters: dict[str, Any] = {
        "cpus_per_task": cpus,
        "nodes": num_nodes,
        "ntasks_per_node": 1,
        "stderr_to_stdout": True,
        # Since Slurm 22.05 srun does not inherit it from sbatch.
        "srun_args": [f"--cpus-per-task={cpus}"],
        "time": minutes(source, rows.pop("time", "8:00:00")),
    }
    if numbers.get("gpu"):
        parameters["gpus_per_node"] = numbers["gpu"]
    if numbers.get("max_jobs_run"):
        parameters["array_parallelism"] = numbers["max_jobs_run"]
    parameters.update({name: rows.pop(name) for name in ("partition", "mem") if name in rows})
    parameters["additional_parameters"] = {name: True if value == "true" else value for name, value in rows.items()}
    return SlurmSettings(source, parameters, numbers.get("nj", int(DEFAULT_NJ)), numbers.get("retries", 2))


def minutes(source: str, text: str) -> int:
    """Parse a time in sbatch's formats: minutes, m:s, h:m:s, d-h, d-h:m or d-h:m:s.

    Raises:
        UserError: ``text`` has none of these formats.
    """
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if not found:
        raise UserError(f"{source}: time: '{text}' is not a time; write hours:minutes:seconds or days-hours")
    days, *others = (int(group) if group else 0 for group in found.groups())
    if found.group(1) or found.group(4):
        hours, mins, seconds = others
    else:
        hours, (mins, seconds) = 0, others[:2]
    return max(1, days * 1440 + hours * 60 + mins + (seconds > 0))


def _read(file: Path) -> dict[str, dict[str, str]]:
    try:
        # Read every value as text, because YAML reads 8:00:00 as a number in base 60.
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; the template's is egs2/TEMPLATE/enh1/conf/slurm.yaml") from None
    except yaml.YAMLError as error:
        raise UserError(f"{file}: not valid yaml ({' '.join(str(error).split())})") from None
    rows = content.values() if isinstance(content, dict) else [None]
    if not all(isinstance(value, dict) and all(isinstance(item, str) for item in value.values()) for value in rows):
        raise UserError(f"{file}: malformed; write 'name: value' rows below each kind, as in the template's slurm.yaml")
    return content


def _number(source: str, name: str, text: str) -> int:
    if not text.isdigit():
        raise UserError(f"{source}: {name}: '{text}' is not a number")
    return int(text)

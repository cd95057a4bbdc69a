"""All metrics of VERSA (Shi et al., 2025), if it is installed: run its scorer and read the values as columns."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, write_scp
from espnet_codecse.identity import Ledger, file_state, hash_of
from espnet_codecse.metrics.score_inputs import read_tables

ADVICE = "pip install git+https://github.com/wavlab-speech/versa.git"
Columns = dict[str, dict[str, float]]


def versa_columns(reference: str | None, estimate: str, config: Path, output_dir: Path) -> Columns:
    """Return ``{"VERSA_<NAME>": {utterance: value}}`` for one speaker; if VERSA is missing, print a line and return {}.

    ``versa.jsonl`` in ``output_dir`` stores the values until the lists or the configuration change.

    Args:
        reference, estimate: scp files, folders or audio files; reference is None for metrics without one.
        config: VERSA's list of metrics, such as its egs/speech.yaml.
        output_dir: folder for lists, values and log.

    Raises:
        UserError: the configuration is missing, the scorer failed, or its output has an unexpected format.
    """
    if not config.is_file():
        raise UserError(f"--versa_config {config}: no such file; VERSA's repository has examples in egs/")
    if importlib.util.find_spec("versa") is None:
        print(f"score: VERSA left empty, package not installed: {ADVICE}", file=sys.stderr)
        return {}
    folder = output_dir / "versa"
    lists = {"pred": estimate} if reference is None else {"pred": estimate, "gt": reference}
    tables = {
        name: {key: str(Path(path).resolve()) for key, path in table.items()}
        for name, table in zip(lists, read_tables(list(lists.values()), estimate))
    }
    results, ledger = output_dir / "versa.jsonl", Ledger(output_dir)
    audio = [path for table in tables.values() for path in table.values()]
    made_of = hash_of([tables, config.read_text(encoding="utf-8"), [file_state(path) for path in audio]])
    if ledger.is_done(results.name, made_of, [results]):
        print("score: VERSA skipped (already done)", file=sys.stderr)
    else:
        for name, table in tables.items():
            write_scp(folder / f"{name}.scp", table)
        _run(lists, folder, config, results)
        ledger.add({results.name: made_of})
    return _read(results)


def _run(lists: dict[str, str], folder: Path, config: Path, results: Path) -> None:
    log = folder / "versa.log"
    with atomic_path(results) as temporary, open(log, "w", encoding="utf-8") as stream:
        command = [sys.executable, "-m", "versa.bin.scorer", "--score_config", str(config), "--io", "soundfile"]
        command += ["--output_file", str(temporary)]
        for name in lists:
            command += [f"--{name}", str(folder / f"{name}.scp")]
        status = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, check=False).returncode
        if status != 0 or not temporary.is_file():
            raise UserError(f"VERSA's scorer failed (status {status}); see {log}")


def _read(results: Path) -> Columns:
    columns: Columns = {}
    for number, line in enumerate(results.read_text(encoding="utf-8").splitlines(), 1):
        try:
            values = json.loads(line)
            utterance = values.pop("key")
        except (ValueError, KeyError, AttributeError):
            reason = f"line {number} is not a JSON object with a 'key'; check the version of VERSA"
            raise UserError(f"{results}: {reason}") from None
        for name, value in values.items():
            # VERSA also writes texts, such as transcripts of a recogniser.
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                columns.setdefault(f"VERSA_{re.sub(r'[^0-9A-Za-z]+', '_', name).upper()}", {})[utterance] = float(value)
    return columns

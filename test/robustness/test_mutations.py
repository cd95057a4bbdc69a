"""Damaged files of every kind: each command ends with finite output, or with one line and status 1.

    test/run.sh test/robustness --mutations 3000                             more cases than by default
    test/run.sh test/robustness -k wav --first_mutation 17 --mutations 1     one case again

A case is a kind of file and a number; they seed the damage.
"""

import re
import shutil
import zipfile
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import yaml
from command_server import MAX_MEGABYTES, MAX_SECONDS, CommandResult
from mutation import mutate
from zoo_packs import read_members

from espnet_codecse.zoo.manifest import MANIFEST
from espnet_codecse.zoo.pack import write_zip

FORMATS = ("wav", "flac", "ogg", "mp3", "aiff", "w64", "au")
RUN = "--device cpu -o {out} --jobs 1"
TRAIN = (
    "train --config {here}/train.yaml --output_dir {here}/exp --train_dir {here}/train --valid_dir {here}/valid "
    "--train_embeddings {here}/emb/train --valid_embeddings {here}/emb/valid "
    "--embedding_stats {here}/stats/stats.npz"
)
INFER = "infer --train_config {here}/exp/config.yaml --model_file {here}/exp/1epoch.pth --output_dir {out}"
SCORE = "score --ref_scp {here}/train/spk1.scp --inf_scp {here}/train/wav.scp --metrics SI_SDR --nj 1 --output_dir"
DATA_DIR_COMMANDS = (
    "data_dir validate {here}/train", "data_dir fix {here}/train", "format {here}/train {out} --nj 1",
    "extract --codec {here}/codec {here}/train {out}", SCORE + " {out}", INFER + " {here}/train/wav.scp",
)  # fmt: skip


class Kind(NamedTuple):
    """A kind of file: which one of the whole inputs is damaged, how, and the commands that read it.

    Attributes:
        name: name of the test.
        files: one of these is damaged, a member of a pack after a colon.
        group: group of mutators.
        commands: one of these runs; ``{here}`` is the folder of the copies, ``{out}`` one for output.
    """

    name: str
    files: tuple[str, ...]
    group: str
    commands: tuple[str, ...]


KINDS = (
    Kind(
        "audio",
        (*(f"audio/speech.{suffix}" for suffix in FORMATS), "audio/float.wav"),
        "bytes",
        ("enhance {file} --model {here}/exp " + RUN, "encode {file} --codec {here}/codec " + RUN),
    ),
    Kind("recordings", ("audio/train_wav.scp_0.wav",), "bytes", DATA_DIR_COMMANDS),
    Kind("lists", ("train/wav.scp", "train/spk1.scp"), "text", DATA_DIR_COMMANDS),
    Kind("tables", ("train/utt2spk", "train/text", "train/spk2utt"), "text", DATA_DIR_COMMANDS[:3]),
    Kind("arks", ("emb/train/parts/emb_mix.1.ark",), "bytes", ("embedding_stats {here}/emb/train {out}", TRAIN)),
    Kind(
        "embedding_lists",
        ("emb/train/emb_mix.scp", "emb/train/utt2num_frames"),
        "text",
        ("embedding_stats {here}/emb/train {out}", TRAIN),
    ),
    Kind(
        "descriptions",
        ("emb/train/codec.yaml",),
        "yaml",
        ("embedding_stats {here}/emb/train {out}", "extract --codec {here}/codec {here}/train {here}/emb/train"),
    ),
    Kind(
        "markers",
        ("emb/train/parts/emb_mix.1.done", "formatted/.done"),
        "json",
        (
            "extract --codec {here}/codec --compression none {here}/train {here}/emb/train",
            "format {here}/train {here}/formatted --nj 1",
        ),
    ),
    Kind("hashes", ("stats/.done",), "text", ("embedding_stats {here}/emb/train {here}/stats",)),
    Kind("scores", ("scores/scores.jsonl",), "json", (SCORE + " {here}/scores",)),
    Kind(
        "codes",
        ("codes/speech.cse",),
        "bytes",
        ("decode {file} --codec {here}/codec " + RUN, "enhance --from codes {file} --model {here}/exp " + RUN),
    ),
    Kind("statistics", ("stats/stats.npz",), "npz", (TRAIN,)),
    Kind("configurations", ("exp/config.yaml",), "yaml", (INFER + " {here}/train/wav.scp",)),
    Kind("checkpoints", ("exp/1epoch.pth",), "checkpoint", (INFER + " {here}/train/wav.scp",)),
    Kind("training_states", ("exp/checkpoint.pth",), "checkpoint", (TRAIN,)),
    Kind(
        "codec_weights",
        ("codec/model.safetensors", "espnet_codec/120epoch.pth"),
        "bytes",
        ("encode {here}/audio/speech.wav --codec {folder} " + RUN,),
    ),
    Kind(
        "espnet_codecs",
        ("espnet_codec/120epoch.pth",),
        "checkpoint",
        ("encode {here}/audio/speech.wav --codec {folder} " + RUN,),
    ),
    Kind(
        "codec_configurations",
        ("codec/config.yaml", "espnet_codec/config.yaml"),
        "yaml",
        ("encode {here}/audio/speech.wav --codec {folder} " + RUN,),
    ),
    Kind("packs", ("model.zip",), "zip", ("verify {file}", "enhance {here}/audio/speech.wav --model {file} " + RUN)),
    Kind("packed_weights", ("model.zip:best.pth",), "checkpoint", ("verify {file}",)),
    Kind(
        "packed_configurations",
        ("model.zip:exp/config.yaml", "model.zip:codec/config.yaml"),
        "yaml",
        ("verify {file}",),
    ),
    Kind("manifests", ("model.zip:meta.yaml", f"model.zip:{MANIFEST}"), "yaml", ("verify {file}",)),
)
KNOWN_FAULTS: dict[str, str] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per kind; all kinds together have ``--mutations`` cases."""
    total, first = metafunc.config.getoption("mutations"), metafunc.config.getoption("first_mutation")
    count = -(-total // len(KINDS))
    numbers = range(first, first + count)
    known = {kind: pytest.mark.xfail(reason=reason) for kind, reason in KNOWN_FAULTS.items()}
    cases = [pytest.param(kind, numbers, marks=known.get(kind.name, ()), id=kind.name) for kind in KINDS]
    metafunc.parametrize("kind, numbers", cases)


@pytest.mark.slow
def test_damage_is_told_in_one_line(kind: Kind, numbers: range, whole: Path, server, tmp_path: Path):
    failures = []
    for number in numbers:
        here = tmp_path / str(number)
        shutil.copytree(whole, here, symlinks=True, ignore=shutil.ignore_patterns("pack", "tensorboard", "*.log"))
        _point_to(here, whole)
        command, damage = _damage(kind, number, here)
        result = server.run(command.split(), here)
        fault = fault_of(result, command.split()[0]) or _not_finite(here, whole)
        if fault:
            errors = "\n    ".join(result.errors.strip().splitlines()[-5:])
            failures.append(f"{kind.name} {number}: {damage}: {fault}\n    {command}\n    {errors}")
        shutil.rmtree(here)
    assert not failures, f"{len(failures)} of {len(numbers)}\n" + "\n".join(failures)


def _point_to(here: Path, whole: Path) -> None:
    """Make lists and configurations of the copy name its own files."""
    for path in here.rglob("*"):
        if path.suffix in (".scp", ".yaml"):
            path.write_text(path.read_text().replace(str(whole), str(here)))


def _damage(kind: Kind, number: int, here: Path) -> tuple[str, str]:
    """Damage one file below ``here``; return the command and what was done."""
    random = Random(f"{kind.name} {number}")
    chosen = random.choice(kind.files)
    file, _, member = chosen.partition(":")
    path = here / file
    if member:
        name = _damage_member(path, member, kind.group, random)
    else:
        content, name = mutate(path.read_bytes(), kind.group, random)
        path.write_bytes(content)
    # Commands that go with one of the files stand at the same place.
    paired = len(kind.commands) == len(kind.files) and kind.name == "markers"
    command = kind.commands[kind.files.index(chosen)] if paired else random.choice(kind.commands)
    places = {"file": path, "folder": path.parent, "here": here, "out": here / "out"}
    return command.format(**places), f"{name} of {chosen}"


def _damage_member(pack: Path, ending: str, group: str, random: Random) -> str:
    """Damage a member of a pack, and list the right sizes and hashes of all, as somebody would who means harm."""
    members = read_members(pack)
    manifest = yaml.safe_load(members.pop(MANIFEST))
    del manifest["files"]
    if ending == MANIFEST:
        content, name = mutate(yaml.safe_dump(manifest).encode(), group, random)
        write_zip(pack, manifest, members)
        with zipfile.ZipFile(pack, "a") as archive:
            listed = yaml.safe_load(archive.read(MANIFEST))["files"]
        with zipfile.ZipFile(pack, "w") as archive:
            for key, member in members.items():
                archive.writestr(key, member)
            archive.writestr(MANIFEST, content + b"\n" + yaml.safe_dump({"files": listed}).encode())
        return name
    key = next(key for key in sorted(members) if key.endswith(ending) or re.search(ending.replace("/", ".*/"), key))
    members[key], name = mutate(members[key], group, random)
    write_zip(pack, manifest, members)
    return name


_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|^.*\r(?!\n)", re.MULTILINE)
_LIBRARIES = re.compile(
    r"Warning: |warnings?\.warn|^\s+\S|^\[|^[\w-]+ \(.*\) \d{4}-|it/s|s/it|\d{4}-\d\d-\d\d .*(INFO|WARNING)"
)


def fault_of(result: CommandResult, command: str) -> str:
    """Return what is wrong with how a command ended; empty: nothing."""
    if result.status is None:
        return f"still running after {MAX_SECONDS:g} s"
    if result.megabytes > MAX_MEGABYTES or "allocate memory" in result.errors or "MemoryError" in result.errors:
        return f"takes too much memory ({result.megabytes:.0f} MB)"
    if "Traceback" in result.errors:
        raised = [
            line for line in result.errors.splitlines() if re.match(r"[\w.]*(Error|Exception|Interrupt|File)\b", line)
        ]
        return f"traceback: {raised[-1] if raised else ''}"
    if result.status not in (0, 1):
        return f"exit status {result.status}"
    if result.status == 1:
        lines = [line for line in _ESCAPES.sub("", result.errors).splitlines() if line.strip()]
        if command == "train":  # ESPnet's log goes to the same stream
            lines = [line for line in lines if line.startswith("codecse train: ")]
        # What a command says of its progress begins with its name alone.
        lines = [line for line in lines if not _LIBRARIES.search(line) and not line.startswith(f"{command}: ")]
        if len(lines) != 1:
            return f"{len(lines)} lines of errors"
    return ""


def _not_finite(here: Path, whole: Path) -> str:
    """Return the first output with NaN or infinity; empty: none."""
    for path in (here / "out").rglob("*") if (here / "out").is_dir() else ():
        if path.suffix in (".wav", ".flac", ".ogg", ".aiff", ".w64", ".au", ".mp3"):
            values = [soundfile.read(path)[0]]
        elif path.suffix == ".npz":
            with np.load(path) as content:
                values = [content["mean"], content["std"]]
        else:
            continue
        if not all(np.isfinite(value).all() for value in values):
            return f"{path.name} is not finite"
    return ""

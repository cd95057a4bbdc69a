"""Cost of training on many stored embeddings: time to the first step, memory, and random access."""

import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_codecse.codec import load_codec
from espnet_codecse.embedding.ark import read_ark, write_ark
from espnet_codecse.embedding.description import EmbeddingDescription, write_description
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp, write_scp
from espnet_codecse.report.environment import environment_lines

CODEC = "small"
NUM_FRAMES = 200  # of an utterance, 4 s
UTTERANCES_PER_ARK = 75  # 300 s, as codecse extract writes them
STREAMS = ("mix", "ref1")
NUM_VALID = 8
NUM_READS = 5000
STEP = re.compile(r"1epoch:train:2-2batch")  # of the log of ESPnet's trainer


class ReadingCost(NamedTuple):
    """Cost of a set.

    Attributes:
        num_arks, num_bytes: size of the stored embeddings.
        start_seconds: from the command to the end of the first steps.
        peak_bytes: largest memory of the training's process.
        milliseconds: of reading an utterance's two matrices in random order.
    """

    num_arks: int
    num_bytes: int
    start_seconds: float
    peak_bytes: int
    milliseconds: float


def reading_report(nums_utterances: Sequence[int], num_threads: int, folder: Path | None) -> str:
    """Generate sets of embeddings in a temporary folder below ``folder``, measure each, and return a table."""
    command = f"codecse benchmark reading --num_utterances {' '.join(map(str, nums_utterances))}"
    command += f" --num_threads {num_threads}"
    lines = [f"<!-- {command} -->", "# Cost of stored embeddings", "", *environment_lines(), ""]
    lines += [f"Embeddings of the codec {CODEC} with two bytes a value, {NUM_FRAMES / 50:g} s a recording.", ""]
    lines += ["|utterances|hours|arks|GB|start, s|memory, MB|random access, ms|", "|---|---|---|---|---|---|---|"]
    for num_utterances in nums_utterances:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            cost = measure(Path(temporary), num_utterances, num_threads)
        hours = num_utterances * NUM_FRAMES / 50 / 3600
        cells = [num_utterances, f"{hours:.0f}", cost.num_arks, f"{cost.num_bytes / 1e9:.2f}"]
        cells += [f"{cost.start_seconds:.1f}", f"{cost.peak_bytes / 1e6:.0f}", f"{cost.milliseconds:.2f}"]
        lines.append(f"|{'|'.join(map(str, cells))}|")
    lines += [
        "",
        "Start: from `codecse train` to the end of its first two steps. Random access: both matrices of an utterance.",
    ]
    return "\n".join(lines)


def measure(folder: Path, num_utterances: int, num_threads: int) -> ReadingCost:
    """Write embeddings of ``num_utterances`` to ``folder``, start a training on them, and read them in random order."""
    for name, count in (("train", num_utterances), ("valid", NUM_VALID)):
        _write_set(folder / name, folder / "raw" / name, count)
    start_seconds, peak_bytes = _start_training(folder, num_threads)
    lists = [read_scp(folder / "train" / f"emb_{stream}.scp") for stream in STREAMS]
    keys = random.Random(0).choices(list(lists[0]), k=NUM_READS)
    started = time.perf_counter()
    for key in keys:
        for scp in lists:
            read_ark(scp[key])
    milliseconds = 1000 * (time.perf_counter() - started) / NUM_READS
    arks = list((folder / "train" / "parts").rglob("*.ark"))
    return ReadingCost(len(arks), sum(ark.stat().st_size for ark in arks), start_seconds, peak_bytes, milliseconds)


def _write_set(folder: Path, data_dir: Path, num_utterances: int) -> None:
    """Write a folder as :func:`espnet_codecse.embedding.extract.extract` does, with noise as embeddings."""
    codec = load_codec(CODEC)
    matrices = np.random.default_rng(0).standard_normal((16, NUM_FRAMES, codec.dim), np.float32)
    keys = [f"speaker{number % 1000:03}-utterance{number:07}" for number in range(num_utterances)]
    data_dir.mkdir(parents=True)
    for stream in STREAMS:
        locations: dict[str, str] = {}
        for part, start in enumerate(range(0, num_utterances, UTTERANCES_PER_ARK)):
            own = keys[start : start + UTTERANCES_PER_ARK]
            ark = folder / "parts" / f"emb_{stream}.{part + 1}.ark"
            offsets = write_ark(ark, ((key, matrices[index % 16]) for index, key in enumerate(own)), 3)
            locations.update((key, f"{ark}:{offset}") for key, offset in offsets.items())
        write_scp(folder / f"emb_{stream}.scp", locations)
    write_scp(folder / "utt2num_frames", dict.fromkeys(keys, NUM_FRAMES))
    write_description(folder, EmbeddingDescription.of(codec, "continuous", "3"))


def _start_training(folder: Path, num_threads: int) -> tuple[float, int]:
    """Return the seconds until a training has done two steps, and its peak memory in bytes.

    Raises:
        UserError: the training fails.
    """
    values = {"batch_size": 2, "max_epoch": 1, "num_iters_per_epoch": 2, "log_interval": 1, "num_workers": 1}
    options = [text for name, value in values.items() for text in (f"--{name}", str(value))]
    folders = [f"--{kind}_{name}" for kind in ("train", "valid") for name in ("dir", "embeddings")]
    places = [folder / "raw" / "train", folder / "train", folder / "raw" / "valid", folder / "valid"]
    command = [sys.executable, "-m", "espnet_codecse.bin.main"]
    config = [
        *command,
        *f"config --system nac_se --step 1_enhance --codec {CODEC} --loss pre --output train.yaml".split(),
    ]
    subprocess.run(config, cwd=folder, check=True)
    train = [*command, "train", "--config", "train.yaml", "--output_dir", "exp", *options]
    train += [text for pair in zip(folders, map(str, places)) for text in pair]
    for value in ("normalize=utterance", "width=32", "num_layers=1", "num_heads=2", "ffn_width=64"):
        train += ["--separator_conf", value]
    started = time.perf_counter()
    with open(folder / "train.log", "w") as log:
        environment = {**os.environ, "OMP_NUM_THREADS": str(num_threads)}
        process = subprocess.Popen(train, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=environment)
        seconds, ended = 0.0, False
        while not ended:
            time.sleep(0.05)
            if not seconds and STEP.search((folder / "train.log").read_text(errors="replace")):
                seconds = time.perf_counter() - started
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            ended = pid == process.pid
    if status or not seconds:
        reason = (folder / "train.log").read_text(errors="replace").splitlines()[-1:]
        raise UserError(f"the training of the benchmark failed ({' '.join(reason)[:200]})")
    return seconds, usage.ru_maxrss * 1024

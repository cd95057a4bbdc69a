"""A recipe's ``exp`` and ``dump`` as the stages leave them, in small: what a report page is made of."""

from pathlib import Path

import soundfile
from voices import voice

from espnet_codecse.fileio import write_scp

RATE = 16000
SECONDS = 1.5
NUM_UTTERANCES = 7
TRAIN_LOG = """[h] 2026-01-01 INFO: {epoch}epoch results: [train] iter_time=0.1, loss={loss}, grad_norm=2.5, \
optim0_lr0=1.000e-04, time=2 minutes and 7.5 seconds, total_count=4, [valid] loss={valid}, time=1 second, \
total_count=1, [att_plot] time=0 seconds, total_count=0
"""


def utterances(test_set: str) -> list[str]:
    """Ids of a set."""
    return [f"{test_set}_u{number}" for number in range(NUM_UTTERANCES)]


def _audio(folder: Path, lists: dict[str, int], test_set: str) -> None:
    """Write ``{list: seed}`` with a file for each utterance; the same seed is the same sound."""
    for name, seed in lists.items():
        table = {}
        for number, utterance in enumerate(utterances(test_set)):
            path = folder / "wavs" / name / f"{utterance}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, voice(int(RATE * SECONDS), 100 * seed + number), RATE)
            table[utterance] = str(path)
        write_scp(folder / f"{name}.scp", table)


def _scores(folder: Path, test_set: str, means: dict[str, float], num_speakers: int) -> None:
    for metric, mean in means.items():
        for speaker in range(num_speakers):
            values = {key: repr(mean + 0.1 * number) for number, key in enumerate(utterances(test_set))}
            write_scp(folder / "scoring" / f"{metric}_spk{speaker + 1}", values)


def make_tree(root: Path) -> list[str]:
    """Write two sets and return the words ``--row ...``.

    ``lab`` has two speakers, references and two experiments, the second of which gives its speakers in the other
    order; ``street`` has a mixture and one experiment without references, scored by DNSMOS alone.
    """
    rows = []

    def add(section: str, label: str, test_set: str, folder: str, lists: dict[str, int], pesq: float) -> None:
        path = root / "exp" / folder
        _audio(path, lists, test_set)
        is_lab = test_set == "lab"
        means = {"DNSMOS_OVRL": pesq - 0.5, **({"PESQ": pesq, "SI_SDR": 4 * pesq} if is_lab else {})}
        _scores(path, test_set, means, 2 if is_lab else 1)
        rows.extend(["--row", f"{section}|{test_set}/{label}|{path / 'scoring'}|{root / 'dump' / test_set}"])

    _audio(root / "dump/lab", {"wav": 1, "spk1": 2, "spk2": 3}, "lab")
    _audio(root / "dump/street", {"wav": 4}, "street")
    write_scp(root / "dump/lab/utt2snr", {key: 5 * (i % 2) for i, key in enumerate(utterances("lab"))})
    add("Unprocessed", "noisy", "lab", "noisy_lab", {"wav": 1}, 1.5)
    add("Unprocessed", "noisy", "street", "noisy_street", {"wav": 4}, 1.5)
    add("codec_tiny", "clean, continuous", "lab", "codec_tiny/clean_continuous_lab", {"spk1": 5, "spk2": 6}, 4.0)
    add("sep_one", "continuous", "lab", "sep_one/continuous_lab", {"spk1": 2, "spk2": 3}, 2.0)
    add("sep_two", "continuous", "lab", "sep_two/continuous_lab", {"spk1": 3, "spk2": 2}, 2.5)
    add("sep_one", "continuous", "street", "sep_one/continuous_street", {"spk1": 7}, 2.0)
    for step, first in (("1_teacher", 3.0), ("2_student", 2.0)):
        folder = root / "exp/sep_one" / step
        folder.mkdir()
        lines = [TRAIN_LOG.format(epoch=epoch, loss=first / epoch, valid=2 * first / epoch) for epoch in (1, 2, 3)]
        (folder / "train.log").write_text("noise before\n" + "".join(lines))
        (folder / "config.yaml").write_text("encoder_conf: {codec: /some/where/tiny.zip}\n")
    return rows

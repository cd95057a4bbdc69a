"""The scoring tasks of a recipe's stage 7: outputs and their references."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import make_folder
from espnet_codecse.report.experiments import (
    CEILING,
    CLEAN,
    CODEC,
    EXPERIMENT,
    LAYERS,
    NOISY,
    UNPROCESSED,
    ScoredOutput,
)

# Outputs other than speech: lists of the estimates and of their references, and metrics. The reconstruction is the sum
# of speech and noise. Estimates against the other reference show what leaked.
OTHERS = {
    "noise": ("noise1", "noise1", "SI_SDR LSD MCD"),
    "reconstruction": ("reconstruction", "wav", "SI_SDR PESQ LSD MCD"),
    "leaked_speech": ("noise1", "spk1", "SI_SDR"),
    "leaked_noise": ("spk1", "noise1", "SI_SDR"),
}


@dataclass(frozen=True)
class ScoringTask:
    """One call of ``codecse score``.

    Attributes:
        output: the scored output, and the folder of its scores.
        estimates: lists of audio, one per speaker.
        references: lists of references, one per speaker; empty if there are none.
        metrics: names, separated by spaces.
        mixture: list of the unprocessed mixtures; None if the scores do not need it.
    """

    output: ScoredOutput
    estimates: list[Path]
    references: list[Path]
    metrics: str
    mixture: Path | None = None

    def options(self, fs: int = 0) -> list[str]:
        """Return the arguments of ``codecse score``; ``fs`` is the rate at which speech is scored, Hz, 0: its own."""
        options = ["--output_dir", str(self.output.folder), "--metrics", self.metrics]
        for path in self.estimates:
            options += ["--inf_scp", str(path)]
        for path in self.references:
            options += ["--ref_scp", str(path)]
        if self.mixture is not None:
            options += ["--mix_scp", str(self.mixture)]
        if not self.references:
            options.append("--without_reference")
        if fs and self.output.target in (CLEAN, "resynthesised"):
            options += ["--fs", str(fs)]
        return options


def scoring_tasks(
    outputs: Path,
    codec_outputs: Path | None,
    dumpdir: Path,
    test_sets: Sequence[str],
    metrics: str,
    num_spk: int = 1,
    resynthesised: bool = False,
) -> list[ScoringTask]:
    """Return the scoring tasks of each set: mixture, codec alone, experiment; the mixtures' list is copied.

    Args:
        outputs: folder of the experiment's outputs; the scores of the mixtures are written to a folder next to it.
        codec_outputs: folder of the codec's outputs; None or a missing folder: there are none.
        dumpdir: folder of the formatted data ``raw/<set>``.
        test_sets: names of the sets.
        metrics: metrics of speech, separated by spaces.
        num_spk: speakers of a mixture.
        resynthesised: also score the experiment against references that went through the codec.

    Raises:
        UserError: a set has no outputs of the experiment.
    """
    return [
        task
        for test_set in test_sets
        for task in _tasks_of_set(
            outputs, codec_outputs, dumpdir / "raw" / test_set, test_set, metrics, num_spk, resynthesised
        )
    ]


def _tasks_of_set(
    outputs: Path, codec_outputs: Path | None, raw: Path, test_set: str, metrics: str, num_spk: int, resynthesised: bool
) -> list[ScoringTask]:
    noisy = outputs.parent / f"noisy_{test_set}"
    own = {layer: outputs / f"{layer}_{test_set}" for layer in LAYERS}
    if not any(map(_has_speech, own.values())):
        raise UserError(f"{outputs}: holds no outputs for {test_set}; run stage 6 first")
    make_folder(noisy)
    shutil.copyfile(raw / "wav.scp", noisy / "wav.scp")

    def task(kind: str, experiment: str, layer: str, folder: Path, target: str = CLEAN, references: Path = raw):
        name = "scoring" if target == CLEAN else f"scoring_{target}"
        output = ScoredOutput(kind, experiment, test_set, layer, target, folder / name, raw)
        return ScoringTask(output, _lists(folder, num_spk), _references(references, num_spk), metrics, raw / "wav.scp")

    tasks = [task(NOISY, UNPROCESSED, "", noisy)]
    if any((folder / "noise1.scp").is_file() for folder in own.values()):
        tasks += _others((NOISY, UNPROCESSED, "", noisy), raw, test_set)
    items = [(EXPERIMENT, outputs.name, layer, folder) for layer, folder in own.items() if _has_speech(folder)]
    through_codec = codec_outputs / f"clean_continuous_{test_set}" if codec_outputs is not None else None
    for item in (*_codec_items(codec_outputs, test_set), *items):
        tasks.append(task(*item))
        tasks += _others(item, raw, test_set)
    if resynthesised and through_codec is not None and _has_speech(through_codec):
        tasks += [task(*item, "resynthesised", through_codec) for item in items]
    return tasks


def _has_speech(folder: Path) -> bool:
    return (folder / "spk1.scp").is_file()


def _codec_items(codec_outputs: Path | None, test_set: str) -> list[tuple[str, str, str, Path]]:
    """Return ``(kind, name, layer, folder)`` of the outputs of the codec alone."""
    if codec_outputs is None:
        return []
    items = [
        (kind, codec_outputs.name, layer, codec_outputs / f"{signal}_{layer}_{test_set}")
        for kind, signal in ((CEILING, "clean"), (CODEC, "noisy"))
        for layer in LAYERS[:2]
    ]
    return [item for item in items if _has_speech(item[3])]


def _others(item: tuple, raw: Path, test_set: str) -> list[ScoringTask]:
    """Return the scoring tasks of noise and reconstruction, if the system writes them, and of what leaked."""
    kind, experiment, layer, folder = item
    found = dict(OTHERS)
    if kind == NOISY:  # what a copy of the mixture would be as noise
        found = {"noise": ("wav", "noise1", "SI_SDR")}
    elif not (folder / "noise1.scp").is_file() or (folder / "spk2.scp").is_file():
        del found["leaked_speech"], found["leaked_noise"]
    tasks = []
    for target, (estimate, reference, metrics) in found.items():
        lists = folder / f"{estimate}.scp", raw / f"{reference}.scp"
        if all(path.is_file() for path in lists):
            output = ScoredOutput(kind, experiment, test_set, layer, target, folder / f"scoring_{target}", raw)
            tasks.append(ScoringTask(output, [lists[0]], [lists[1]], metrics))
    return tasks


def _lists(folder: Path, num_spk: int) -> list[Path]:
    """Return one list of audio per speaker; a single output is used for every speaker."""
    single = next(path for path in (folder / "spk1.scp", folder / "wav.scp") if path.is_file())
    own = (folder / f"spk{number}.scp" for number in range(1, num_spk + 1))
    return [path if path.is_file() else single for path in own]


def _references(folder: Path, num_spk: int) -> list[Path]:
    return [path for path in (folder / f"spk{number}.scp" for number in range(1, num_spk + 1)) if path.is_file()]

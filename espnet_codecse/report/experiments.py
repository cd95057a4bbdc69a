"""What was scored: the unprocessed mixtures, codecs alone, and the outputs of experiments.

``codecse score_outputs`` writes a description beside the scores; :func:`discover` finds all that were described.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path

DESCRIPTION = "scored.json"
# Clean speech through a codec is the ceiling of what works on its embeddings; `codec` is noisy speech through it.
NOISY, CEILING, CODEC, EXPERIMENT = KINDS = ("noisy", "ceiling", "codec", "experiment")
LAYERS = ("continuous", "quantized", "waveform")
# What the scored signals are compared with: clean speech, that speech through the codec, the noise, or the mixture.
CLEAN = "clean"
TARGETS = (CLEAN, "resynthesised", "noise", "reconstruction")
UNPROCESSED = "Unprocessed"
# Stands below the heading of a codec: readers of a table must not have to find out what its embedding is.
CODEC_NOTES = {
    "codec_small": "The codec `small` is a companded lapped transform (MDCT) with a learned quantiser and a learned "
    "decoder for the upper band; its embedding is not that of a neural codec."
}
_ENDINGS = {"resynthesised": " to resynthesised", "noise": ", noise", "reconstruction": ", reconstruction"}
_BEGINNINGS = {CEILING: "clean, ", CODEC: "noisy, ", EXPERIMENT: ""}


@dataclass(frozen=True)
class ScoredOutput:
    """One output, scored in one way, on one set.

    Attributes:
        kind: one of :data:`KINDS`.
        experiment: name of the experiment's folder, or of the codec's; :data:`UNPROCESSED` for the mixture.
        test_set: name of the set.
        layer: what was decoded, usually one of :data:`LAYERS`; empty for the mixture.
        target: one of :data:`TARGETS`.
        folder: the scoring folder; the scored audio's lists are beside it.
        data_dir: the set's data directory; None where it is not known.
    """

    kind: str
    experiment: str
    test_set: str = ""
    layer: str = ""
    target: str = CLEAN
    folder: Path = Path()
    data_dir: Path | None = None

    @property
    def name(self) -> str:
        """How a table calls it within its experiment, ``clean, continuous`` or ``waveform, noise``."""
        beginning = NOISY if self.kind == NOISY else f"{_BEGINNINGS[self.kind]}{self.layer}"
        return beginning + _ENDINGS.get(self.target, "")

    @property
    def experiment_dir(self) -> Path:
        """Where the training's steps are: ``exp/<experiment>`` of ``exp/<experiment>/<layer>_<set>/scoring``."""
        return self.folder.parent.parent


def parse_label(label: str) -> dict[str, str]:
    """Return kind, test set, layer and target of a label that a user gave with ``--row``."""
    test_set, _, name = label.rpartition("/")
    target = next((target for target, ending in _ENDINGS.items() if name.endswith(ending)), CLEAN)
    name = name.removesuffix(_ENDINGS.get(target, ""))
    first, separator, rest = name.partition(", ")
    if name == NOISY:
        return {"kind": NOISY, "test_set": test_set, "target": target}
    kinds = {beginning: kind for kind, beginning in _BEGINNINGS.items()}
    kind = kinds.get(f"{first}{separator}", EXPERIMENT)
    return {"kind": kind, "test_set": test_set, "layer": name if kind == EXPERIMENT else rest, "target": target}


def write_description(output: ScoredOutput) -> None:
    """Write what ``output.folder`` holds the scores of, where it does not say so already."""
    described = {key: value for key, value in asdict(output).items() if key not in ("folder", "data_dir")}
    path, text = output.folder / DESCRIPTION, json.dumps(described, indent=1) + "\n"
    if path.is_file() and path.read_text("utf-8") == text:
        return
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")


def read_description(path: Path, dumpdir: Path) -> ScoredOutput:
    """Read a :data:`DESCRIPTION`.

    Args:
        path: the file.
        dumpdir: its data directories are ``raw/<set>``.

    Raises:
        UserError: it is none.
    """
    try:
        content: Any = json.loads(path.read_text("utf-8"))
        output = ScoredOutput(folder=path.parent, data_dir=dumpdir / "raw" / str(content["test_set"]), **content)
        if output.kind not in KINDS or output.target not in TARGETS:
            raise ValueError(f"kind '{output.kind}', target '{output.target}'")
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise UserError(f"{path}: not a description of scores ({error}); delete it and run stage 7 again") from None
    return output


def discover(expdir: Path, dumpdir: Path, test_sets: Sequence[str]) -> list[ScoredOutput]:
    """Return all that was scored below ``expdir``, in the order of the tables.

    Set by set: the mixture, codecs (the ceilings before the rest), then experiments, each layer by name.

    Args:
        expdir: experiment folder of a recipe.
        dumpdir: formatted data of the recipe.
        test_sets: names; what was scored on others is left out.

    Raises:
        UserError: a description is damaged.
    """
    paths = sorted([*expdir.glob(f"*/scoring*/{DESCRIPTION}"), *expdir.glob(f"*/*/scoring*/{DESCRIPTION}")])
    outputs = [read_description(path, dumpdir) for path in paths]
    return sorted((output for output in outputs if output.test_set in test_sets), key=lambda o: _order(o, test_sets))


def _order(output: ScoredOutput, test_sets: Sequence[str]) -> tuple:
    layer = LAYERS.index(output.layer) if output.layer in LAYERS else len(LAYERS)
    return (
        list(test_sets).index(output.test_set), KINDS.index(output.kind), layer, output.experiment,
        TARGETS.index(output.target),
    )  # fmt: skip

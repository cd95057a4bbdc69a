"""Descriptions of scored outputs: the unprocessed mixtures, codecs alone, and experiments.

``codecse score_outputs`` writes a description next to the scores; :func:`discover` finds all descriptions.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from espnet_codecse.documents import read_json
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path

DESCRIPTION = "scored.json"
# Clean speech through a codec is the ceiling of systems on its embeddings; `codec` is noisy speech through the codec.
NOISY, CEILING, CODEC, EXPERIMENT = KINDS = ("noisy", "ceiling", "codec", "experiment")
LAYERS = ("continuous", "quantized", "waveform")
# What is scored: speech against clean speech, or against clean speech through the codec; the estimated noise; the
# reconstruction of the mixture; then leaks: the estimated noise against the speech, estimated speech against the noise.
CLEAN = "clean"
TARGETS = (CLEAN, "resynthesised", "noise", "reconstruction", "leaked_speech", "leaked_noise")
UNPROCESSED = "Unprocessed"
# Printed below the heading of a codec, to explain its embedding to readers of the table.
CODEC_NOTES = {
    "codec_small": "The codec `small` is a companded lapped transform (MDCT) with a learned quantiser and a learned "
    "decoder for the upper band; its embedding is not that of a neural codec."
}
_ENDINGS = {
    "resynthesised": " to resynthesised",
    "noise": ", noise",
    "reconstruction": ", reconstruction",
    "leaked_speech": ", noise against the speech",
    "leaked_noise": ", speech against the noise",
}
_BEGINNINGS = {CEILING: "clean, ", CODEC: "noisy, ", EXPERIMENT: ""}


@dataclass(frozen=True)
class ScoredOutput:
    """One output on one set, scored against one kind of reference.

    Attributes:
        kind: one of :data:`KINDS`.
        experiment: name of the experiment's or codec's folder; :data:`UNPROCESSED` for the mixture.
        test_set: name of the set.
        layer: decoded layer, usually one of :data:`LAYERS`; empty for the mixture.
        target: one of :data:`TARGETS`.
        folder: scoring folder; the lists of the scored audio are in its parent folder.
        data_dir: data directory of the set; None if unknown.
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
        """Name in a table of its experiment, such as ``clean, continuous`` or ``waveform, noise``."""
        beginning = NOISY if self.kind == NOISY else f"{_BEGINNINGS[self.kind]}{self.layer}"
        return beginning + _ENDINGS.get(self.target, "")

    @property
    def experiment_dir(self) -> Path:
        """Folder of the training's steps: ``exp/<experiment>`` of ``exp/<experiment>/<layer>_<set>/scoring``."""
        return self.folder.parent.parent


def parse_label(label: str) -> dict[str, str]:
    """Return kind, test set, layer and target of a label given with ``--row``."""
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
    """Write the description of ``output`` into its folder, unless it is already there."""
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
        dumpdir: folder with the data directories ``raw/<set>``.

    Raises:
        UserError: the file is not a description.
    """
    try:
        content: Any = read_json(path, "delete it and run stage 7 again")
        output = ScoredOutput(folder=path.parent, data_dir=dumpdir / "raw" / str(content["test_set"]), **content)
        if output.kind not in KINDS or output.target not in TARGETS:
            raise ValueError(f"kind '{output.kind}', target '{output.target}'")
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: not a description of scores ({error}); delete it and run stage 7 again") from None
    return output


def discover(expdir: Path, dumpdir: Path, test_sets: Sequence[str]) -> list[ScoredOutput]:
    """Return all scored outputs below ``expdir``, in the order of the tables.

    For each set: the mixture, codecs (ceilings first), then experiments by layer and name.

    Args:
        expdir: experiment folder of a recipe.
        dumpdir: formatted data of the recipe.
        test_sets: names of the sets; outputs on other sets are left out.

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

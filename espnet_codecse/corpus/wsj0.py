"""WSJ0 (LDC93S6A, CSR-I): where its utterances are, on discs as published or in one converted tree."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from espnet_codecse.corpus.sphere import is_compressed, require_sph2pipe
from espnet_codecse.errors import UserError

VARIABLE = "WSJ0"
# wv1 is the close-talking microphone (wv2 the second one); a converted file is taken before the original beside it.
SUFFIXES = (".wav", ".flac", ".sph", ".wv1")
SPEAKER_LETTERS = 3


def speaker_of(utterance: str) -> str:
    """Return the speaker of an utterance: ``01t`` of ``01to030v``."""
    return utterance[:SPEAKER_LETTERS]


def find_utterances(root: Path, splits: Sequence[str]) -> dict[str, Path]:
    """Return ``{split/speaker/utterance: file}`` of all utterances of some splits, sorted by that name.

    Splits are folders anywhere below the root, as in ``11-1.1/wsj0/si_tr_s`` (discs) or ``wsj0/si_tr_s`` (merged).

    Args:
        root: folder of the corpus.
        splits: such as ``si_tr_s``.

    Raises:
        UserError: a split is not there, or an utterance is there twice.
    """
    found: dict[str, Path] = {}
    for path, split in _walk(root, splits):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        name = f"{split}/{path.parent.name}/{path.stem}".lower()
        other = found.setdefault(name, path)
        if other != path and other.parent == path.parent:
            found[name] = min(other, path, key=lambda file: SUFFIXES.index(file.suffix.lower()))
        elif other != path and os.path.realpath(other) != os.path.realpath(path):
            raise UserError(f"{VARIABLE}: '{name}' occurs twice ({other}, {path}); remove one of the folders")
    for split in splits:
        if not any(name.startswith(f"{split}/") for name in found):
            raise UserError(
                f"{VARIABLE}: {root}: has no folder {split} with {' or '.join(SUFFIXES)} files below it; is it the "
                "corpus's top folder, and complete?"
            )
    return dict(sorted(found.items()))


def require_decoder(files: Sequence[Path]) -> None:
    """Check that the corpus can be decoded, by one of its files: discs are compressed as a whole.

    Raises:
        UserError: it is compressed, and there is no sph2pipe.
    """
    for path in files[:1]:
        if is_compressed(path):
            require_sph2pipe(path)


def _walk(root: Path, splits: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Yield the files below the splits' folders, each with its split; links to folders are followed once."""
    seen = set()
    for folder, names, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        names.sort()
        parts = [part.lower() for part in Path(folder).relative_to(root).parts]
        split = next((part for part in parts if part in splits), None)
        if split is not None:
            for file in sorted(files):
                yield Path(folder) / file, split

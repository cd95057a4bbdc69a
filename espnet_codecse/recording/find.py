"""Find the recordings that the arguments name, and the place of their outputs."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_codecse.errors import UserError


@dataclass(frozen=True)
class Recording:
    """A recording, or a folder that cannot be searched.

    Attributes:
        path: the file.
        relative: its path relative to the output folder, with the input's suffix.
        error: why a folder cannot be searched; empty for a recording.
    """

    path: Path
    relative: Path
    error: str = ""


def find_recordings(arguments: Sequence[str], suffixes: Sequence[str], output: Path) -> list[Recording]:
    """Find the recordings named by files, folders and globs.

    The output of a file is placed directly in the output folder. Recordings in a folder keep their path relative to it,
    those found by a glob the path relative to the part of the pattern before the first wildcard. Hidden files and the
    output folder are skipped. Each of several links to a recording gets its own output.

    Args:
        arguments: files with any suffix, folders (searched for ``suffixes``), globs (``**`` for any depth).
        suffixes: lower case, with the dot.
        output: the output folder.

    Raises:
        UserError: an argument does not exist or contains no recordings.
    """
    found: dict[str, Recording] = {}
    places: set[tuple[str, Path]] = set()
    for argument in arguments:
        count = 0
        for recording in _expand(argument, suffixes, output.resolve()):
            count += 1
            # The same file by another spelling is no other recording; a link with another output is one.
            place = (os.path.realpath(recording.path), recording.relative)
            if place not in places:
                found.setdefault(os.path.abspath(recording.path), recording)
                places.add(place)
        if not count:
            raise UserError(f"{argument}: no recordings found; looked for {' '.join(suffixes)}")
    return list(found.values())


def _expand(argument: str, suffixes: Sequence[str], output: Path) -> Iterator[Recording]:
    path = Path(argument)
    if os.path.isdir(path):
        if path.resolve() == output:
            raise UserError(f"--output_dir {output}: is also an input; choose another folder for the output")
        yield from _walk(path, path, suffixes, output, frozenset())
    elif os.path.exists(path):
        if not path.is_file():
            raise UserError(f"{argument}: a pipe or device; pass - and redirect it to the standard input")
        yield Recording(path, Path(path.name))
    elif glob.has_magic(argument):
        base = _fixed_part(argument)
        for name in sorted(glob.glob(argument, recursive=True)):
            match = Path(name)
            if match.is_file() and not _is_below(match, output):
                yield Recording(match, match.relative_to(base))
    else:
        try:
            os.stat(argument)
        except PermissionError as error:
            raise UserError(f"{argument}: not readable ({error.strerror}); change the permissions") from None
        except (OSError, ValueError):  # ValueError: a NUL in the name
            pass
        raise UserError(f"{argument}: no such file or folder; check the path")


def _fixed_part(pattern: str) -> Path:
    """Return the folder before the first part with a wildcard."""
    parts: list[str] = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def _walk(
    folder: Path, root: Path, suffixes: Sequence[str], output: Path, above: frozenset[Path]
) -> Iterator[Recording]:
    """Yield the recordings below ``folder``; ``above`` are the folders that led to it, which links may lead back to."""
    real = folder.resolve()
    if real in above or real == output:
        return
    try:
        entries = sorted(os.listdir(folder))
    except OSError as error:
        yield Recording(folder, folder.relative_to(root), f"cannot be searched ({error.strerror})")
        return
    paths = [folder / entry for entry in entries if not entry.startswith(".")]
    folders = {path: None for path in paths if os.path.isdir(path)}
    for path in paths:
        if path not in folders and path.suffix.lower() in suffixes:
            yield Recording(path, path.relative_to(root))
    for path in folders:
        yield from _walk(path, root, suffixes, output, above | {real})


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder)


def check_outputs(pairs: Sequence[tuple[Path, Path]], inputs: Sequence[Path]) -> None:
    """Check that no two recordings share an output and that no output is an input.

    Args:
        pairs: ``(recording, output)``; a recording may have several outputs.
        inputs: all files that are read.

    Raises:
        UserError: two recordings have the same output, or an output is an input.
    """
    owners: dict[Path, Path] = {}
    collisions = []
    for recording, output in pairs:
        owner = owners.setdefault(output, recording)
        if owner != recording:
            collisions.append((owner, recording, output))
    if collisions:
        first, second, output = collisions[0]
        raise UserError(
            f"{output}: would be the output of {first} and of {second} ({len(collisions)} such name(s)); give their "
            "common folder to keep the structure, or use a separate output folder for each"
        )
    real = {os.path.realpath(path) for path in inputs}
    for _, output in pairs:
        if os.path.realpath(output) in real:
            raise UserError(f"{output}: is an input; choose another --output_dir, inputs are never overwritten")

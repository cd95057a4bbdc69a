"""Reading YAML, JSON and NumPy archives from outside: whatever is wrong with a file is a UserError.

The files may be damaged, and those of packs may be made to do harm, so depth and size are limited before anything is
built from them.
"""

import json
import math
import zipfile
import zlib
from typing import Any

import numpy as np
import yaml

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import PathLike, read_text

MAX_DOCUMENT_BYTES = 10_000_000
MAX_DEPTH = 40  # configurations have about 6; Python's recursion ends at some 300 levels of YAML
# PyYAML raises all of these, such as KeyError for "!!bool x" and IndexError for "!!int ''".
_YAML_ERRORS = (yaml.YAMLError, ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError)


class _BoundedLoader(yaml.SafeLoader):
    """YAML without tags that construct objects, of bounded depth."""

    depth = 0

    def compose_node(self, parent, index):
        if self.depth >= MAX_DEPTH:
            raise yaml.YAMLError(f"nested deeper than {MAX_DEPTH} levels")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _PlainLoader(_BoundedLoader):
    """The same without aliases, a few of which can expand to gigabytes."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)


def parse_yaml(text: str, aliases: bool = True) -> Any:
    """Return the document in ``text``.

    Raises:
        ValueError: the text is not YAML, is nested too deeply, or has tags, or aliases where they are not allowed; the
            message is one line.
    """
    try:
        return yaml.load(text, Loader=_BoundedLoader if aliases else _PlainLoader)
    except _YAML_ERRORS as error:
        reason = str(getattr(error, "problem", None) or error) or type(error).__name__
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise ValueError(" ".join(reason.split())[:200] + where) from None


def read_yaml(path: PathLike, remedy: str = "check the path", kind: type = dict) -> Any:
    """Read a YAML file of ``key: value`` lines, or with ``kind=list`` of items.

    Args:
        path: the file.
        remedy: end of the message.
        kind: type of the document.

    Raises:
        UserError: the file is missing, not YAML, too large or too deep, or of another type.
    """
    text = read_text(path, remedy, MAX_DOCUMENT_BYTES)
    try:
        document = parse_yaml(text)
    except ValueError as error:
        raise UserError(f"{path}: not valid yaml ({error}); {remedy}") from None
    if not isinstance(document, kind):
        expected = "list" if kind is list else "'key: value' lines"
        raise UserError(f"{path}: holds no {expected}; {remedy}")
    return document


def read_json(path: PathLike, remedy: str = "check the path") -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing, not JSON, or too large.
    """
    text = read_text(path, remedy, MAX_DOCUMENT_BYTES)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid json ({' '.join(str(error).split())[:200]}); {remedy}") from None


def load_npz(path: PathLike, names: tuple[str, ...], remedy: str) -> dict[str, np.ndarray]:
    """Read the arrays ``names`` of an archive that :func:`numpy.savez` wrote.

    Args:
        path: the file.
        names: arrays that it must hold; numbers must be finite.
        remedy: end of the message, such as the command that writes the file.

    Raises:
        UserError: the file is missing or damaged, an array is missing, or a number is not finite.
    """
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in names:
                arrays[name] = _read_array(archive, f"{name}.npy")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {remedy}") from None
    except KeyError as error:
        raise UserError(f"{path}: damaged ({' '.join(str(error.args[0]).split())}); {remedy}") from None
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: damaged ({reason}); {remedy}") from None
    return arrays


def _read_array(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    info = archive.getinfo(member)
    if info.file_size > MAX_DOCUMENT_BYTES:
        raise ValueError(f"{member} would unpack to {info.file_size} bytes")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{member} has format {version}")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = read_header(stream)
        # NumPy would allocate what the header claims before it reads.
        content = stream.read()
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content):
            raise ValueError(f"{member} does not hold what its header says")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C").copy()
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        raise ValueError(f"{member} holds NaN or infinity")
    return array

"""Seeded damage to files: ``mutate(content, group, random)`` returns the damaged bytes and the mutator's name.

A mutator is a function of the content and a ``random.Random``. A group of mutators fits one kind of content; the
mutators of plain bytes are in every group.
"""

import io
import json
import random as random_module
import re
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import yaml

Random = random_module.Random
Mutator = Callable[[bytes, Random], bytes]

HEADERS = (
    b"RIFF\x24\0\0\0WAVEfmt ",
    b"PK\x03\x04",
    b"fLaC",
    b"OggS",
    b"ID3\x04",
    b"CSE\n\x01\0",
    b"utt \0BFM ",
    b"\x80\x02",
)
EXTREME_INTEGERS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, 1_000_000_000)
EXTREME_VALUES: tuple[Any, ...] = (
    None, 0, -1, 1, 10**9, 10**30, 0.5, float("nan"), float("inf"), True, "", "x", "../../x", "\0", [], [0], [[]], {},
    {"a": 1}, [10**6, 10**6],
)  # fmt: skip
LARGEST_INSERTION = 4000  # bytes


# Plain bytes


def flip_bits(content: bytes, random: Random) -> bytes:
    """Flip 1 to 20 bits anywhere."""
    return _flip(content, random, len(content))


def flip_header_bits(content: bytes, random: Random) -> bytes:
    """Flip 1 to 20 bits of the first 128 bytes, where most formats have their header."""
    return _flip(content, random, min(128, len(content)))


def _flip(content: bytes, random: Random, end: int) -> bytes:
    changed = bytearray(content)
    for _ in range(random.randint(1, 20)):
        changed[random.randrange(end)] ^= 1 << random.randrange(8)
    return bytes(changed)


def cut_end(content: bytes, random: Random) -> bytes:
    """Keep only the beginning, which may be empty."""
    return content[: random.randrange(len(content))]


def cut_piece(content: bytes, random: Random) -> bytes:
    """Leave out a piece."""
    start, end = _piece(content, random)
    return content[:start] + content[end:]


def zero_block(content: bytes, random: Random) -> bytes:
    """Overwrite a piece with zeros, as a disk does that lost a block."""
    start, end = _piece(content, random)
    return content[:start] + bytes(end - start) + content[end:]


def junk_block(content: bytes, random: Random) -> bytes:
    """Overwrite a piece with random bytes."""
    start, end = _piece(content, random)
    return content[:start] + random.randbytes(end - start) + content[end:]


def junk_inserted(content: bytes, random: Random) -> bytes:
    """Insert random bytes."""
    start = random.randrange(len(content))
    return content[:start] + random.randbytes(random.randint(1, LARGEST_INSERTION)) + content[start:]


def junk_only(content: bytes, random: Random) -> bytes:
    """Random bytes, or none."""
    return random.randbytes(random.choice((0, 1, 100, 5000)))


def other_header(content: bytes, random: Random) -> bytes:
    """Begin as another format."""
    header = random.choice(HEADERS)
    return header + content[len(header) :]


def extreme_field(content: bytes, random: Random) -> bytes:
    """Overwrite a 16 or 32 bit integer, mostly one of the header, in either byte order."""
    start = random.randrange(min(len(content), random.choice((64, 64, 512, len(content)))))
    value, order = random.choice(EXTREME_INTEGERS), random.choice("<>")
    field = struct.pack(f"{order}H", value & 0xFFFF) if random.random() < 0.3 else struct.pack(f"{order}I", value)
    return content[:start] + field + content[start + len(field) :]


def _piece(content: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(content))
    return start, min(len(content), start + random.randint(1, max(1, len(content) // 2)))


BYTES: tuple[Mutator, ...] = (
    flip_bits, flip_header_bits, cut_end, cut_piece, zero_block, junk_block, junk_inserted, junk_only, other_header,
    extreme_field,
)  # fmt: skip


# Text


def another_encoding(content: bytes, random: Random) -> bytes:
    """UTF-16, Latin-1 with an umlaut, or a byte order mark."""
    text = content.decode("utf-8").replace("\n", " ä\n", 1)
    encoding = random.choice(("utf-16", "utf-16-le", "latin-1", "utf-8-sig", "utf-32"))
    return text.encode(encoding)


def control_character(content: bytes, random: Random) -> bytes:
    """A character that no text has: NUL, a lone surrogate, a line separator, carriage returns."""
    at = random.randrange(len(content))
    return content[:at] + random.choice((b"\0", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\r\n", b"\x1b[2J")) + content[at:]


def lines_changed(content: bytes, random: Random) -> bytes:
    """Repeat, drop, empty, lengthen or reorder lines."""
    lines = content.splitlines(keepends=True)
    at, what = random.randrange(len(lines)), random.randrange(5)
    if what == 0:
        lines.insert(at, lines[random.randrange(len(lines))])
    elif what == 1:
        del lines[at]
    elif what == 2:
        lines[at] = lines[at].split(b" ")[0] + b"\n"
    elif what == 3:
        lines[at] = lines[at].rstrip(b"\n") + b"x" * random.choice((300, 5000)) + b"\n"
    else:
        random.shuffle(lines)
    return b"".join(lines)


def words_changed(content: bytes, random: Random) -> bytes:
    """Replace a word by a path, a number that is out of range, or nothing."""
    words = re.split(rb"(\s+)", content)
    at = random.randrange(0, len(words), 2)
    words[at] = random.choice(
        (
            b"",
            b"../../x",
            b"/x",
            b".x",
            b"-1",
            b"nan",
            b"1e400",
            b"99999999999999999999",
            b"cat /dev/null |",
            b"x:99999999",
        )
    )
    return b"".join(words)


def deep_brackets(content: bytes, random: Random) -> bytes:
    """Thousands of open brackets."""
    return content + random.choice((b"x: ", b"")) + random.choice((b"[", b"{a: ", b"- ")) * random.choice((500, 5000))


TEXT: tuple[Mutator, ...] = (another_encoding, control_character, lines_changed, words_changed)


def yaml_value(content: bytes, random: Random) -> bytes:
    """Replace or drop one value anywhere in the document."""
    document = yaml.safe_load(content)
    _change_value(document, random)
    return yaml.safe_dump(document).encode()


def json_value(content: bytes, random: Random) -> bytes:
    """Replace or drop one value in one of the lines."""
    lines = content.decode().splitlines()
    at = random.randrange(len(lines))
    document = json.loads(lines[at])
    _change_value(document, random)
    lines[at] = json.dumps(document)
    return "\n".join(lines).encode()


def _change_value(document: Any, random: Random) -> None:
    """Change one value of nested dictionaries and lists in place."""
    places = list(_places(document))
    container, key = random.choice(places)
    if random.random() < 0.2:
        del container[key]
    else:
        container[key] = random.choice(EXTREME_VALUES)


def _places(value: Any):
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


YAML = (*TEXT, deep_brackets, *[yaml_value] * 8)
JSON = (*TEXT, deep_brackets, json_value, json_value)


# Archives and weights


def zip_member(content: bytes, random: Random) -> bytes:
    """Damage one member of a zip and write the zip anew, with right checksums."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = random.choice([name for name, member in members.items() if member])
    members[name] = random.choice(BYTES)(members[name], random)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for key, member in members.items():
            archive.writestr(key, member)
    return stream.getvalue()


def zip_directory(content: bytes, random: Random) -> bytes:
    """Overwrite a field of the zip's central directory or its end."""
    start = content.rfind(b"PK\x01\x02")
    changed = bytearray(content)
    at = random.randrange(start, len(content) - 2)
    changed[at : at + 2] = struct.pack("<H", random.choice((0, 1, 99, 0xFFFF)))
    return bytes(changed)


def weights_changed(content: bytes, random: Random) -> bytes:
    """Replace one tensor of a checkpoint by one of another kind, or its key by one that is no name."""
    state = torch.load(io.BytesIO(content), weights_only=False)  # written by the test itself
    table = random.choice([state, *(value for value in state.values() if isinstance(value, dict) and value)])
    key = random.choice(list(table))
    value = table[key]
    if random.random() < 0.2:
        table[random.choice((3, (1, 2), None, "")) if random.random() < 0.7 else f"{key}.x"] = table.pop(key)
    elif torch.is_tensor(value) and value.numel():
        table[key] = random.choice(_TENSORS)(value)
    else:
        table[key] = random.choice(EXTREME_VALUES)
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


_TENSORS: tuple[Callable[[torch.Tensor], Any], ...] = (
    lambda value: value * float("nan"),
    lambda value: value.float() + float("inf"),
    lambda value: value.to(torch.int8),
    lambda value: value.bool(),
    lambda value: value.to(torch.complex64),
    lambda value: value.double(),
    lambda value: value.to_sparse(),
    lambda value: torch.empty(value.shape, device="meta"),
    lambda value: torch.quantize_per_tensor(value.float(), 0.1, 0, torch.qint8),
    lambda value: value.reshape(-1)[:1].expand(value.numel() + 1),
    lambda value: torch.zeros(1).expand(2_000_000_000),
    lambda value: value.tolist(),
    lambda value: None,
)


def npz_changed(content: bytes, random: Random) -> bytes:
    """Drop an array, or replace it by one of another kind."""
    with np.load(io.BytesIO(content)) as archive:
        arrays: dict[str, Any] = dict(archive)
    key = random.choice(list(arrays))
    value = arrays.pop(key)
    if random.random() < 0.8:
        others = [np.array([{}]), np.float32(np.nan), np.zeros(0), np.array("x"), np.full(value.shape, 1j), value[None]]
        arrays[key] = random.choice(others)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


ZIP = (zip_member, zip_member, zip_directory)
CHECKPOINT = (*[weights_changed] * 8, *ZIP)
NPZ = (*[npz_changed] * 4, *ZIP)

GROUPS: dict[str, tuple[Mutator, ...]] = {
    "bytes": (), "text": TEXT * 2, "yaml": YAML, "json": JSON, "zip": ZIP, "checkpoint": CHECKPOINT, "npz": NPZ,
}  # fmt: skip


def mutate(content: bytes, group: str, random: Random) -> tuple[bytes, str]:
    """Return ``content`` damaged by one of the group's mutators, or of those of plain bytes, and the mutator's name."""
    mutator = random.choice(GROUPS[group] + BYTES)
    return mutator(content, random), mutator.__name__

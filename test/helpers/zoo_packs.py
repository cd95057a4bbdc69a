"""Taking packs apart, and what to put into those that must be refused."""

import io
import zipfile
from pathlib import Path

import torch
import yaml

STEP = "exp/nac_se_tiny/1_enhance"


def read_members(pack: Path) -> dict[str, bytes]:
    """``{name: content}`` of a zip, without folders."""
    with zipfile.ZipFile(pack) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


def edit_yaml(members: dict[str, bytes], name: str, **changes) -> None:
    """Change keys of a YAML member."""
    members[name] = yaml.safe_dump({**yaml.safe_load(members[name]), **changes}).encode()


def saved(value) -> bytes:
    """What ``torch.save`` writes."""
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()

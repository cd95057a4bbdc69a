"""Environments that hold some packages of this one, and nothing else, made without a network."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build_wheel(folder: Path) -> Path:
    """Build the package's wheel from a copy of its sources and return it."""
    source = folder / "source"
    for name in ("espnet_codecse", "egs2/TEMPLATE/enh1/conf"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(source)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def with_requirements(packages: Iterable[str]) -> list[importlib.metadata.Distribution]:
    """Return the installed distributions of ``packages`` and all they require on this platform, extras included."""
    from packaging.requirements import Requirement

    waiting = [(name, "") for name in packages]
    seen, found = set(waiting), {}
    while waiting:
        name, extra = waiting.pop()
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # what is not installed here was not needed here either
        for text in found[name].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                needed = re.sub("[-_.]+", "-", requirement.name).lower()
                new = {(needed, wanted) for wanted in ("", *requirement.extras)} - seen
                seen |= new
                waiting += new
    return list(found.values())


def make_environment(folder: Path, packages: Iterable[str], wheel: Path) -> Path:
    """Make an environment of ``packages`` with what they require, install ``wheel``, and return its Python.

    The packages are links to this environment's.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for distribution in with_requirements(packages):
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())
    python = folder / "bin/python"
    install: list[str] = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index"]
    # pip checks that the wheel requires no more than the packages. This tree, on PYTHONPATH, would count as installed.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*install, str(wheel)], check=True, cwd=folder, env=clean)
    return python

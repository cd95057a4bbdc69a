"""The environment block of RESULTS.md, read without importing the packages."""

import importlib.metadata
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from espnet_codecse import __version__


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).resolve().parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def environment_lines() -> list[str]:
    """Return a Markdown list of date, Python, PyTorch, ESPnet, and this package with its commit."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = " with changes" if commit and _git("status", "--porcelain", "--untracked-files=no") else ""
    git = f" (git hash `{commit}`{changed}, {_git('log', '-1', '--format=%cs')})" if commit else ""
    return [
        f"- date: `{datetime.now(timezone.utc):%Y-%m-%d %H:%M UTC}`",
        f"- python version: `{platform.python_version()}` on {platform.system()} {platform.machine()}",
        f"- pytorch version: `{_version('torch')}`",
        f"- espnet version: `{_version('espnet')}`",
        f"- espnet_codecse version: `{__version__}`{git}",
    ]

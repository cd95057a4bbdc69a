"""The documentation as a site: strict links, the Python interface and the commands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_codecse.bin.main import COMMANDS

pytestmark = pytest.mark.slow
pytest.importorskip("mkdocs")
pytest.importorskip("mkdocstrings")
ROOT = Path(__file__).parent.parent


def test_the_site_builds_without_a_broken_link(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0 and "WARNING" not in result.stderr, result.stderr
    pages = {path.parent.name: path.read_text() for path in (tmp_path / "site").glob("*/index.html")}
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= set(pages)
    for name in ("SpeechEnhancer.enhance_file", "SpeechSeparator.separate", "SpeechStream.process", "AbsCodec"):
        assert name in pages["api"], name
    assert ":class:" not in pages["api"]
    for name in COMMANDS:
        assert f"usage: codecse {name} " in pages["commands"] or f"usage: codecse {name}\n" in pages["commands"], name
    mini = (tmp_path / "site/repository/egs2/mini/index.html").read_text()
    assert 'href="enh1/RESULTS_lyra_nac_se/"' in mini and "fuse_steps.png" in mini

"""axe-core, which finds what keeps people from using a page, from npm."""

import shutil
import subprocess
from pathlib import Path

import pytest
from chromium import Browser


def install_axe(folder: Path) -> str:
    """Return the script of axe-core; the test is skipped where npm cannot bring it."""
    if shutil.which("npm") is None:
        pytest.skip("no npm here, which brings axe-core")
    command = ["npm", "install", "--no-audit", "--no-fund", "axe-core"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if result.returncode:
        pytest.skip(f"npm cannot install axe-core here: {result.stderr.strip().splitlines()[-1][:200]}")
    return (folder / "node_modules/axe-core/axe.min.js").read_text()


def serious_findings(browser: Browser, axe: str) -> list[list[str]]:
    """Return ``[rule, impact]`` of what is serious or critical on the page that is open."""
    browser.evaluate(axe + ";0")
    found = browser.evaluate(
        "axe.run({preload: false}).then((r) => r.violations.map((item) => [item.id, item.impact]))"
    )
    return [item for item in found if item[1] in ("serious", "critical")]

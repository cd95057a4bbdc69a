"""The documentation as a site: strict links, the Python interface and the commands."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from axe import install_axe, serious_findings
from chromium import Browser, find_chromium

from espnet_codecse.bin.main import COMMANDS

pytestmark = pytest.mark.slow
pytest.importorskip("mkdocs")
pytest.importorskip("mkdocstrings")
ROOT = Path(__file__).parent.parent


HEARD = "player.gains.map((gain) => gain.gain.value > 0.5 ? 1 : 0).join('')"  # of each sound


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0 and "WARNING" not in result.stderr, result.stderr
    return folder


def test_the_site_builds_without_a_broken_link(site):
    pages = {path.parent.name: path.read_text() for path in site.glob("*/index.html")}
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= set(pages)
    for name in ("SpeechEnhancer.enhance_file", "SpeechSeparator.separate", "SpeechStream.process", "AbsCodec"):
        assert name in pages["api"], name
    assert ":class:" not in pages["api"]
    for name in COMMANDS:
        assert f"usage: codecse {name} " in pages["commands"] or f"usage: codecse {name}\n" in pages["commands"], name
    mini = (site / "repository/egs2/mini/index.html").read_text()
    assert 'href="enh1/RESULTS_lyra_nac_se/"' in mini and "fuse_steps.png" in mini
    start = (site / "index.html").read_text()
    assert start.count('href="samples/"') >= 2  # the README's link and the navigation's


@pytest.fixture(scope="module")
def chromium():
    if find_chromium() is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    browser = Browser(find_chromium(), options=["--autoplay-policy=no-user-gesture-required"])
    yield browser
    browser.close()


@pytest.fixture
def samples(site, chromium, tmp_path):
    """The page of audio samples, opened from a folder that holds nothing else."""
    shutil.copytree(site / "samples", tmp_path / "samples")
    chromium.resize(1280, 900)
    chromium.open(tmp_path / "samples/index.html")
    chromium.wait("document.querySelectorAll('.clip').length === 10")
    yield chromium
    assert chromium.problems == []


def test_samples_play_and_switch_at_the_same_position(samples):
    labels = "[...document.querySelectorAll('.clip:first-child .version span')].map((node) => node.textContent)"
    assert samples.evaluate(labels) == ["noisy", "enhanced", "clean"]
    samples.press("l")  # a loop, so that a slow machine does not come too late
    samples.press(" ")
    samples.wait(f"player.playing && player.position > 0.2 && {HEARD} === '100'")
    before = samples.evaluate("player.context.currentTime - player.startedAt")
    samples.press("2")
    samples.wait(f"{HEARD} === '010'")
    samples.press("j")
    samples.wait(f"{HEARD} === '001'")
    assert samples.evaluate("player.context.currentTime - player.startedAt") > before  # it was not started again
    samples.click(".clip:nth-child(10) .version")
    samples.wait("player.playing && player.clip === REPORT.clips[9]")
    samples.press(" ")
    samples.wait("!player.playing")


def test_samples_are_drawn_and_can_be_downloaded(samples, site):
    samples.evaluate("document.querySelectorAll('.clip img').forEach((image) => { image.loading = 'eager'; })")
    samples.wait("[...document.querySelectorAll('.clip img')].every((image) => image.naturalWidth > 100)")
    links = samples.evaluate("[...document.querySelectorAll('.downloads a')].map((link) => link.getAttribute('href'))")
    assert len(links) == 30 and all((site / "samples" / link).is_file() for link in links)
    loaded = samples.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith(("file:", "data:")) for name in loaded)


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return install_axe(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize("width, scheme", [(390, "dark"), (1280, "light")])
def test_axe_finds_nothing_serious_in_the_samples(samples, axe, width, scheme):
    samples.resize(width, 844, mobile=width < 500)
    samples.prefer(scheme)
    samples.wait(f"document.documentElement.dataset.theme === '{scheme}'")
    assert samples.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_findings(samples, axe) == []

"""The demo in a real browser: a file and the microphone, before and after at the same position."""

import numpy as np
import pytest
import soundfile
from chromium import Browser, find_chromium

pytestmark = [
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium here: apt-get install chromium"),
    pytest.mark.slow,
]
HEARD = "player.gains.map((gain) => gain.gain.value > 0.5 ? 1 : 0).join('')"


@pytest.fixture
def browser(server, voice, tmp_path):
    soundfile.write(tmp_path / "microphone.wav", voice(48000, 0, 48000), 48000, subtype="PCM_16")
    options = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    options += [
        f"--use-file-for-fake-audio-capture={tmp_path / 'microphone.wav'}",
        "--autoplay-policy=no-user-gesture-required",
    ]
    opened = Browser(find_chromium(), options=options)
    opened.open(server.address)
    yield opened
    opened.close()


def choose_file(browser, path):
    document = browser.call("DOM.getDocument")["root"]["nodeId"]
    node = browser.call("DOM.querySelector", nodeId=document, selector="#file")["nodeId"]
    browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])


def test_a_file_is_enhanced_and_heard(browser, voice, tmp_path):
    assert browser.evaluate("[...document.querySelectorAll('#model option')].map((option) => option.value)") == [
        "tiny", "other",
    ]  # fmt: skip
    soundfile.write(tmp_path / "noisy.wav", voice(32000, 1), 16000)
    choose_file(browser, tmp_path / "noisy.wav")
    browser.wait("document.querySelectorAll('.clip').length === 1")
    labels = "[...document.querySelectorAll('.version span:last-of-type')].map((node) => node.textContent)"
    assert browser.evaluate(labels) == ["noisy", "enhanced"]
    browser.wait("[...document.querySelectorAll('.clip img')].every((image) => image.naturalWidth > 50)")
    browser.click(".play")
    browser.wait(f"player.playing && {HEARD} === '10'")
    before = browser.evaluate("player.position")
    browser.press("2")
    browser.wait(f"{HEARD} === '01'")
    assert browser.evaluate("player.position") >= before
    assert browser.evaluate("document.querySelector('.task a').getAttribute('download')") == "noisy.enhanced.wav"
    browser.screenshot(tmp_path / "demo.png")
    choose_file(browser, __file__)
    browser.wait("document.querySelector('.task .error')?.textContent.startsWith('test_in_browser.py: ')")
    assert browser.problems == []


def test_the_microphone(browser, server):
    browser.click("#record")
    browser.wait("document.getElementById('level').getAttribute('aria-valuenow') > 20")
    browser.wait("recorder.pieces.length > 100")
    browser.click("#record")
    browser.wait("document.querySelectorAll('.clip').length === 1")
    (path,) = server.work.folder.glob("task_0/recording.wav")
    samples, rate = soundfile.read(path)
    assert samples.ndim == 1 and len(samples) > 100 * 128 and np.abs(samples).max() > 0.01 and rate >= 44100
    assert browser.problems == []

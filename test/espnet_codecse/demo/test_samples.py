"""The audio samples of the documentation: what is stored, and what is made of it."""

import base64
import json
from pathlib import Path

import pytest
import soundfile

from espnet_codecse.demo import samples
from espnet_codecse.demo.samples import VERSIONS, page_files, page_html
from espnet_codecse.report.page.clip import read_clip

STORED = Path(__file__).resolve().parents[3] / "docs/samples"


def test_every_example_is_complete_and_named_on_the_page():
    text = (STORED.parent / "samples.md").read_text("utf-8")
    names = sorted(path.stem for path in (STORED / "noisy").iterdir())
    assert len(names) == 10
    for name in names:
        files = [STORED / version / f"{name}.flac" for version in VERSIONS]
        described = {(info.samplerate, info.channels, info.frames) for info in map(soundfile.info, files)}
        assert len(described) == 1 and described.pop()[:2] == (16000, 1)
        assert all((STORED / f"clips/{name}/{index}.webp").is_file() for index in range(3))
        assert all(f"(samples/{version}/{name}.flac)" in text for version in VERSIONS)
    assert sum(path.stat().st_size for path in STORED.rglob("*.flac")) <= 2_000_000


@pytest.mark.slow
def test_examples_are_enhanced_and_drawn_from_their_audio(model, voice, tmp_path, monkeypatch):
    monkeypatch.setattr("espnet_codecse.zoo.load.load_enhancer", lambda name: model)
    name = "03_7-8-9_sea-waves_-5dB"
    for version, seed in (("noisy", 1), ("clean", 2)):
        (tmp_path / version).mkdir()
        soundfile.write(tmp_path / version / f"{name}.flac", voice(16000, seed), 16000)
    assert samples.main([str(tmp_path)]) == 0
    assert [sound["version"] for sound in read_clip(tmp_path / "clips" / name)["sounds"]] == [0, 1, 2]
    assert sorted(path.name for path in (tmp_path / "clips" / name).iterdir()) == [
        "0.webp", "1.webp", "2.webp", "clip.json",
    ]  # fmt: skip
    files = page_files(tmp_path)
    (encoded,) = (json.loads(f"[{files[f'clips/{name}/audio.js'][len('receiveSound(') : -3]}]")[1],)
    assert [base64.b64decode(text) for text in encoded] == [
        (tmp_path / version / f"{name}.flac").read_bytes() for version in VERSIONS
    ]
    (clip,) = json.loads(files["examples.js"].split("push(...", 1)[1].split(");\n", 1)[0])
    assert (clip["utterance"], clip["where"], clip["facts"]) == ("3: 7-8-9", "sea waves", ["−5 dB"])
    assert [sound["label"] for sound in clip["sounds"]] == list(VERSIONS)


def test_the_page_loads_exactly_its_files(tmp_path):
    (tmp_path / "noisy").mkdir()
    page = page_html("Title", "<h1>Title</h1><p>before</p><!-- players --><table></table>")
    assert page.count("Title") == 2 and page.index("before") < page.index('id="clips"') < page.index("<table>")
    assert "{{" not in page and "http" not in page
    assert all(f'"{name}"' in page for name in page_files(tmp_path))

"""The page of audio samples in the documentation: the demo's players with recordings that are enhanced already.

    python -m espnet_codecse.demo.samples docs/samples

enhances FOLDER/noisy/<name>.flac with the packaged model into FOLDER/enhanced, and draws FOLDER/clips. FOLDER/clean has
the references. A name is ``<number>_<utterance>_<noise>_<SNR>dB``. tools/docs_hook.py completes the page when the site
is built, which needs neither the model nor matplotlib.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from espnet_codecse.demo.page import ASSETS, FILES, OWN, PLAYERS
from espnet_codecse.report.page.clip import audio_script, make_clip, read_clip
from espnet_codecse.report.page.versions import Version

VERSIONS = ("noisy", "enhanced", "clean")
PLAYERS_HERE = "<!-- players -->"


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "noisy").glob("*.flac"))


def _paths(folder: Path, name: str) -> list[Path]:
    return [folder / version / f"{name}.flac" for version in VERSIONS]


def make_examples(folder: Path) -> None:
    """Enhance and draw the examples of a folder."""
    from espnet_codecse.recording.one import enhance_recording
    from espnet_codecse.zoo.load import load_enhancer

    enhancer = load_enhancer("nac_se")
    for name in _names(folder):
        noisy, enhanced, _ = paths = _paths(folder, name)
        enhance_recording(enhancer, noisy, enhanced)
        versions = [Version(version, None, (str(path),)) for version, path in zip(VERSIONS, paths)]
        make_clip(folder / "clips" / name, versions, seconds=60.0)
        (folder / "clips" / name / "audio.js").unlink()  # the page is given the flac files
        print(f"samples: {name}", file=sys.stderr)


def _described(folder: Path, name: str) -> dict[str, Any]:
    number, utterance, noise, snr = name.split("_")
    clip = read_clip(folder / "clips" / name)
    for sound in clip["sounds"]:
        sound.update(label=VERSIONS[sound["version"]], system=None)
    facts = {"where": noise.replace("-", " "), "facts": [snr.replace("-", "−").replace("dB", " dB")]}
    files = [path.relative_to(folder).as_posix() for path in _paths(folder, name)]
    title = {"folder": name, "set": "demo", "utterance": f"{int(number)}: {utterance}", "speakers": 1}
    return {**clip, **title, **facts, "files": files}


def page_files(folder: Path) -> dict[str, str]:
    """Return ``{path: content}`` of what the page of a folder needs beside the folder's own files and its HTML."""
    names = _names(folder)
    files = {name: FILES[name].read_text("utf-8") for name in PLAYERS + OWN}
    clips = json.dumps([_described(folder, name) for name in names])
    files["examples.js"] = f'"use strict";\nREPORT.clips.push(...{clips});\nchange({{}});\nmoveHeads();\n'
    for name in names:
        encoded = [path.read_bytes() for path in _paths(folder, name)]
        files[f"clips/{name}/audio.js"] = audio_script(name, encoded)
    return files


def page_html(title: str, text: str) -> str:
    """Return the page; ``text`` is its HTML, in which :data:`PLAYERS_HERE` is the place of the players."""
    text = re.sub(r"<h1.*?</h1>", "", text, flags=re.DOTALL)
    text = text.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")
    before, _, after = text.partition(PLAYERS_HERE)
    page = (ASSETS / "samples.html").read_text("utf-8")
    for place, value in {"title": title, "before": before, "after": after}.items():
        page = page.replace(f"{{{{{place}}}}}", value)
    return page


def main(argv: list[str] | None = None) -> int:
    """Make the examples of a folder again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with noisy/ and clean/, such as docs/samples")
    make_examples(parser.parse_args(argv).folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

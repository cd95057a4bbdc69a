"""Write the page; existing clips are kept, and unused ones are removed."""

import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path
from espnet_codecse.metrics.registry import get_metric
from espnet_codecse.report.comparison import compare_experiments
from espnet_codecse.report.environment import environment_lines
from espnet_codecse.report.experiments import EXPERIMENT
from espnet_codecse.report.groups import SNR, names_in_order
from espnet_codecse.report.page.choice import check_names, choose, choose_by_name, rank
from espnet_codecse.report.page.clip import clip_name, make_clip, read_clip
from espnet_codecse.report.page.systems import ALL, describe, short_names
from espnet_codecse.report.page.versions import AudioOfSet, Version
from espnet_codecse.report.scores import Row, metrics_of
from espnet_codecse.report.training_log import read_curves

ASSETS = Path(__file__).resolve().parent / "assets"
PREFERRED = ("PESQ", "DNSMOS_OVRL", "SI_SDR")
LARGEST_NUMBER_OF_POINTS = 1000  # per set, in scatter plots


class Settings(NamedTuple):
    """Settings of the page.

    Attributes:
        title: heading.
        metric: metric by which utterances are selected; empty: the first available of :data:`PREFERRED`.
        num_utterances: utterances to select per set.
        utterances: ids of further utterances.
        seconds: longer recordings are cut to this length.
        command: command that produced the page, shown at its end.
    """

    title: str = "Report"
    metric: str = ""
    num_utterances: int = 6
    utterances: Sequence[str] = ()
    seconds: float = 30.0
    command: str = "codecse report"


def write_page(rows: Sequence[Row], output_dir: Path, settings: Settings) -> None:
    """Write ``index.html`` and the files that it needs.

    Raises:
        UserError: a label occurs twice in a section, a metric or utterance is unknown, or audio cannot be read.
    """
    if len({(row.section, row.label) for row in rows}) < len(rows):
        raise UserError("--row: a label occurs twice in a section; give every row its own label")
    metrics = metrics_of(rows)
    if settings.metric and settings.metric not in metrics:
        raise UserError(f"--metric {settings.metric}: no row has scores of it; known: {', '.join(metrics)}")
    check_names(rows, settings.utterances)
    test_sets = list(dict.fromkeys(row.test_set for row in rows))
    clips = [clip for test_set in test_sets for clip in _clips(rows, test_set, output_dir, settings)]
    points = {test_set: _points(rows, test_set, clips) for test_set in test_sets}
    comparisons = [item for item in compare_experiments(rows, metrics) if item.is_clear]
    data = {
        "title": settings.title,
        "made": [*(line[2:].replace("`", "") for line in environment_lines()), settings.command],
        "metric": _metric(rows, settings),
        "metrics": [_describe_metric(name) for name in metrics],
        "sets": test_sets,
        "headings": _headings(rows),
        "systems": describe(rows, metrics, points),
        "best": [[index, item.metric] for item in comparisons for index, row in enumerate(rows) if row is item.best],
        "points": points,
        "curves": _curves(rows),
        "clips": clips,
    }
    text = json.dumps(_plain(data), separators=(",", ":"), allow_nan=False)
    _write(output_dir / "data.js", f"const REPORT = {text};\n")
    for asset in sorted(ASSETS.iterdir()):
        if asset.suffix in (".html", ".css", ".js"):
            _write(output_dir / asset.name, asset.read_text(encoding="utf-8"))
    _remove_unused(output_dir / "clips", {clip["folder"] for clip in clips})


def _metric(rows: Sequence[Row], settings: Settings) -> str:
    """Return the chosen metric if these rows have it, else a default: sets without references lack most metrics."""
    metrics = metrics_of([row for row in rows if row.is_experiment] or rows)
    return next((name for name in (settings.metric, *PREFERRED) if name in metrics), metrics[0])


def _clips(rows: Sequence[Row], test_set: str, output_dir: Path, settings: Settings) -> list[dict[str, Any]]:
    """Make the missing clips of one set, and return the page's data of all its clips."""
    indices = {index: row for index, row in enumerate(rows) if row.test_set == test_set}
    own = list(indices.values())
    metric = _metric(own, settings)
    ranked = rank(own, metric)
    by_rank = choose(ranked, settings.num_utterances)
    chosen = choose_by_name(own, settings.utterances)
    chosen.update({utterance: f"{where} by {metric}" for utterance, where in by_rank.items()})
    audio = AudioOfSet(indices, dict(enumerate(short_names(rows))))
    for label in audio.without_audio if chosen else ():
        print(
            f"report: {label}: no spk1.scp or wav.scp beside its scores; the page has no audio of it", file=sys.stderr
        )
    clips, num_made = [], 0
    for number, (utterance, where) in enumerate(chosen.items(), 1):
        versions = audio.versions(utterance)
        if not versions:
            continue
        name = clip_name(test_set, utterance, versions, settings.seconds)
        folder = output_dir / "clips" / name
        if not read_clip(folder):
            print(f"report: {test_set or 'utterance'} {number}/{len(chosen)}: {utterance}", file=sys.stderr)
            make_clip(folder, versions, settings.seconds)
            num_made += 1
        facts = [row.groups[heading] for row in own for heading in row.groups if utterance in row.groups[heading]]
        clips.append(
            {
                "folder": name,
                "utterance": utterance,
                "set": test_set,
                "where": where,
                "facts": list(dict.fromkeys(group[utterance] for group in facts)),
                "speakers": audio.num_speakers,
                **_with_versions(read_clip(folder), versions),
            }
        )
    if clips:
        kept = len(clips) - num_made
        print(f"report: {len(clips)} clips: {num_made} made, {kept} skipped (already done)", file=sys.stderr)
    return clips


def _with_versions(clip: dict[str, Any], versions: Sequence[Version]) -> dict[str, Any]:
    sounds = []
    for sound in clip["sounds"]:
        version = versions[sound.pop("version")]
        sounds.append({**sound, "label": version.label, "system": version.system})
    return {**clip, "sounds": sounds}


def _points(rows: Sequence[Row], test_set: str, clips: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the utterances of the scatter plots: all, or as many as a browser can draw, including those with audio."""
    utterances = sorted(set().union(*(row.utterances for row in rows if row.test_set == test_set)))
    step = math.ceil(len(utterances) / LARGEST_NUMBER_OF_POINTS)
    heard = {clip["utterance"] for clip in clips if clip["set"] == test_set}
    return sorted({*utterances[::step], *heard}) if step else []


def _headings(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the groups of each breakdown, in order."""
    found = sorted({heading for row in rows for heading in row.groups}, key=lambda heading: (heading != SNR, heading))
    headings = {
        heading: names_in_order(heading, [row.groups[heading] for row in rows if heading in row.groups])
        for heading in found
    }
    return {**headings, ALL: [ALL]}


def _curves(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the training curves of every step of every experiment."""
    folders = {row.output.experiment_dir: row.section for row in rows if row.output.kind == EXPERIMENT}
    curves = []
    for folder, section in folders.items():
        for path in sorted(folder.glob("[0-9]*_*/train.log")):
            quantities = read_curves(path)
            if quantities:
                curves.append({"section": section, "step": path.parent.name, "quantities": quantities})
    return curves


def _describe_metric(name: str) -> dict[str, Any]:
    try:
        metric = get_metric(name)
    except UserError:  # a metric that is not registered here
        return {"name": name, "higher": True, "description": ""}
    return {"name": name, "higher": metric.higher_is_better, "description": metric.description}


def _plain(value: Any) -> Any:
    """Return a value for JSON: numbers have five significant digits, nan becomes None."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return None if not math.isfinite(value) else float(f"{value:.5g}")
    return value


def _write(path: Path, text: str) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _remove_unused(folder: Path, used: set) -> None:
    """Remove clips of earlier pages and leftovers of killed runs; other files are not touched."""
    for path in folder.iterdir() if folder.is_dir() else ():
        is_ours = path.name.startswith(".part-") or (path / "clip.json").is_file()
        if path.is_dir() and is_ours and path.name not in used:
            shutil.rmtree(path)

"""Overviews of a set's scores: one file each for spreadsheets, readers and programs."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

from espnet_codecse.fileio import atomic_path, read_scp
from espnet_codecse.metrics.score import Summary


def write_overview(output_dir: Path, summaries: Sequence[Summary], num_speakers: int) -> None:
    """Write ``scores.csv`` (one line per utterance and speaker), ``summary.json`` and ``summary.md`` (means, counts).

    Args:
        output_dir: folder with the columns ``<METRIC>_spk<n>``.
        summaries: summaries of the metrics, in the order of the columns.
        num_speakers: speakers per utterance.
    """
    names = [item.metric for item in summaries]
    with atomic_path(output_dir / "scores.csv") as path, open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["utterance", "speaker", *names])
        for speaker in range(1, num_speakers + 1):
            files = [output_dir / f"{name}_spk{speaker}" for name in names]
            columns = [read_scp(file) if file.is_file() else {} for file in files]
            for utterance in sorted({key for column in columns for key in column}):
                values = [column.get(utterance, "nan") for column in columns]
                writer.writerow([utterance, speaker, *("" if value == "nan" else value for value in values)])
    rows = [
        {
            "metric": item.metric,
            "mean": None if math.isnan(item.mean) else item.mean,
            "num_values": item.num_values,
            "num_without_value": item.num_nan,
        }
        for item in summaries
    ]
    with atomic_path(output_dir / "summary.json") as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    lines: list[str] = ["|metric|mean|values|without a value|", "|---|---|---|---|"]
    for item in summaries:
        mean = "n/a" if math.isnan(item.mean) else f"{item.mean:.3f}"
        lines.append(f"|{item.metric}|{mean}|{item.num_values}|{item.num_nan}|")
    with atomic_path(output_dir / "summary.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")

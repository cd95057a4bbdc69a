"""Plot what systems reach against the time of their training and the compute of their use, where that was counted.

    python3 local/plot_quality.py local/quality.csv quality.png

Columns of the list: system; series (points of one are joined); core-hours of training; GMAC per second of audio, all
products, with the codec; PESQ; surrogates (1: a training loss contained an approximation of PESQ).
"""

import csv
import sys
from collections import defaultdict

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

NOISY = "noisy"
AXES = {"core_hours": "training, core-hours", "gmac": "GMAC per second of audio, with the codec"}


def main(source: str, target: str) -> None:
    """Write the figure."""
    with open(source, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    series = defaultdict(list)
    for row in rows:
        if row["system"] != NOISY:
            series[row["series"]].append(row)
    (noisy,) = [float(row["pesq"]) for row in rows if row["system"] == NOISY]
    figure, plots = pyplot.subplots(1, 2, figsize=(11, 4.6), sharey=True, layout="constrained")
    colours = pyplot.get_cmap("tab10").colors
    for (column, label), plot in zip(AXES.items(), plots):
        for colour, points in zip(colours, series.values()):
            _draw(plot, [row for row in points if row[column]], column, colour)
        plot.axhline(noisy, color="0.5", linewidth=1, linestyle=":")
        plot.set_xlabel(label)
        plot.grid(alpha=0.3, which="both")
        plot.margins(x=0.3, y=0.08)
    plots[0].set_xscale("log")
    plots[0].xaxis.set_major_formatter("{x:g}")
    plots[0].set_ylabel("PESQ (wide band), 84 test mixtures")
    plots[0].annotate("noisy", (1, noisy), xycoords=("axes fraction", "data"), ha="right", va="bottom", color="0.4")
    figure.suptitle("filled: an approximation of PESQ was among the training losses", fontsize=9, y=0.02, va="bottom")
    figure.get_layout_engine().set(rect=(0, 0.06, 1, 0.94))
    figure.savefig(target, dpi=110)


def _draw(plot, points, column: str, colour) -> None:
    """Draw a series; where all of its points have the same place on the axis, only the best is named."""
    places = [(float(row[column]), float(row["pesq"])) for row in points]
    if len({x for x, _ in places}) > 1:
        plot.plot(*zip(*places), color=colour, linewidth=1, alpha=0.6)
    for place, row in zip(places, points):
        plot.plot(*place, "o", color=colour, markerfacecolor=colour if row["surrogates"] == "1" else "white")
        if row["label"]:
            offset = tuple(float(value) for value in (row["offset"] or "6 4").split())
            left = offset[0] < 0
            plot.annotate(
                row["label"], place, offset, textcoords="offset points", color=colour, fontsize=8,
                ha="right" if left else "left",
            )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])

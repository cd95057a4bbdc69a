"""The figure of a sweep over DDIM steps: scores with their intervals against the number of steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path
from espnet_codecse.report.bootstrap import Interval, mean_interval
from espnet_codecse.report.scores import Row, read_scores


def plot_step_sweep(
    folders: Mapping[int, Path],
    output: Path,
    metrics: Sequence[str] = ("PESQ", "ESTOI", "DNSMOS_OVRL"),
    lines: Mapping[str, Path] | None = None,
    title: str = "",
) -> None:
    """Draw one panel per metric: the mean over utterances and its 95 % interval for each number of steps.

    Args:
        folders: scoring folder for each number of steps.
        output: png, pdf or svg.
        metrics: names as in the score files.
        lines: scoring folders to compare with, by label, such as noisy speech; drawn as horizontal lines.
        title: title above the panels.

    Raises:
        UserError: there is no folder, or one has no scores of a metric.
    """
    if not folders or not metrics:
        raise UserError("step sweep: no scoring folders or no metrics given; score the outputs first")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = sorted(folders)
    lines = lines or {}
    figure = Figure(figsize=(3.6 * len(metrics), 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for panel, metric in zip(panels, metrics):
        intervals = [_interval(folders[number], metric) for number in steps]
        means = [interval.mean for interval in intervals]
        below = [interval.mean - interval.low for interval in intervals]
        above = [interval.high - interval.mean for interval in intervals]
        panel.errorbar(steps, means, yerr=(below, above), marker="o", capsize=3, label="by steps")
        for number, (label, folder) in enumerate(lines.items(), 1):
            level = _interval(folder, metric).mean
            panel.axhline(level, linestyle="--", color=f"C{number}", label=label)
        panel.set_xscale("log")
        panel.set_xticks(steps, [str(number) for number in steps])
        panel.minorticks_off()
        panel.set_xlabel("DDIM steps")
        panel.set_title(metric, loc="left", fontsize=10)
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize=8)
    if title:
        figure.suptitle(title, fontsize=11)
    with atomic_path(output) as temporary:
        figure.savefig(temporary, dpi=130)


def _interval(folder: Path, metric: str) -> Interval:
    row = Row("", "", read_scores(folder))
    if metric not in row.scores:
        raise UserError(
            f"{folder}: no scores of {metric}; score with it, or choose from {', '.join(sorted(row.scores))}"
        )
    return mean_interval(row.values(metric, row.utterances))

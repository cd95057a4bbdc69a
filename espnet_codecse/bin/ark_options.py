"""Options of the commands that write arks."""

import argparse

from espnet_codecse.bin.numbers import above_zero, natural
from espnet_codecse.embedding.description import COMPRESSIONS
from espnet_codecse.job.array import add_job_options


def add_ark_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for compression, size, parallel jobs and device."""
    add = parser.add_argument
    add(
        "--compression",
        default="3",
        choices=list(COMPRESSIONS),
        help="3: two bytes per value; none: float32 (default: %(default)s)",
    )
    add(
        "--nj",
        type=natural,
        default=0,
        help="processes, each with a model (default: as many as cores and memory allow)",
    )
    add_job_options(parser)
    add("--part_seconds", type=above_zero, default=300.0, help="seconds of audio per ark (default: %(default)s)")
    add("--device", default="cpu", help="auto, cpu, cuda or cuda:N (default: %(default)s)")

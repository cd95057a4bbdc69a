"""Options of the commands that write arks."""

import argparse

from espnet_codecse.embedding.description import COMPRESSIONS
from espnet_codecse.job.array import add_job_options


def add_ark_options(parser: argparse.ArgumentParser) -> None:
    """Add how the arks are written, by how many processes, and on what."""
    add = parser.add_argument
    add(
        "--compression",
        default="3",
        choices=list(COMPRESSIONS),
        help="3: two bytes a value; none: float32 (default: %(default)s)",
    )
    add("--nj", type=int, default=0, help="processes, each with the model (default: what cores and memory allow)")
    add_job_options(parser)
    add("--part_seconds", type=float, default=300.0, help="audio in an ark, in seconds (default: %(default)s)")
    add("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")

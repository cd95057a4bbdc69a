"""Options that all ``codecse prepare_<corpus>`` commands share; local/data.sh passes its own on to them."""

import argparse
from pathlib import Path

from espnet_codecse.bin.format_data import sample_rate


def add_common_options(parser: argparse.ArgumentParser, variable: str) -> None:
    """Add where the corpus is, where the data directories go, sample rate, jobs, subset and check.

    Args:
        parser: of the command.
        variable: of db.sh that holds the corpus's folder.
    """
    add = parser.add_argument
    add("--root", type=Path, help=f"folder of the corpus (default: the variable {variable} of db.sh)")
    add("--datadir", type=Path, default=Path("data"), help="where the data directories go (default: %(default)s)")
    add("--fs", type=sample_rate, default=16000, help="sample rate in Hz, also 16k (default: %(default)s)")
    add("--nj", type=int, default=0, help="processes (default: one a core)")
    add("--subset", type=int, default=0, metavar="N", help="only N utterances a set: a small run with the same path")
    add("--check", action="store_true", help="only check that the corpus is complete; write nothing")
    add("--incomplete", action="store_true", help="take what is there, though the published counts are others")

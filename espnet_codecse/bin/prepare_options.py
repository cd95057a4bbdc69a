"""Options shared by all ``codecse prepare_<corpus>`` commands; local/data.sh passes its options to them."""

import argparse
from pathlib import Path

from espnet_codecse.bin.numbers import natural, sample_rate


def add_common_options(parser: argparse.ArgumentParser, variable: str) -> None:
    """Add the options for corpus and output folders, sample rate, jobs, subset and check.

    Args:
        parser: parser of the command.
        variable: variable of db.sh that holds the corpus's folder.
    """
    add = parser.add_argument
    add("--root", type=Path, help=f"folder of the corpus (default: the variable {variable} of db.sh)")
    add("--datadir", type=Path, default=Path("data"), help="folder of the data directories (default: %(default)s)")
    add("--fs", type=sample_rate, default=16000, help="sample rate, such as 16000 or 16k (default: %(default)s)")
    add("--nj", type=natural, default=0, help="processes (default: one per core)")
    add("--subset", type=natural, default=0, metavar="N", help="only N utterances per set, for a short trial run")
    add("--check", action="store_true", help="only check that the corpus is complete; write nothing")
    add("--incomplete", action="store_true", help="use an incomplete corpus, despite the published counts")

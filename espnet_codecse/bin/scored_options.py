"""Options of the commands that read scores: an experiment folder, or single rows."""

import argparse
from pathlib import Path


def add_scored_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--expdir``, ``--dumpdir`` and ``--test_sets``."""
    add = parser.add_argument
    add("--expdir", type=Path, help="experiment folder of a recipe, with the scores of stage 7")
    add("--dumpdir", type=Path, default=Path("dump"), help="formatted data of the recipe (default: %(default)s)")
    add("--test_sets", default="test", help="sets, separated by spaces (default: '%(default)s')")


def add_row_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--row``."""
    parser.add_argument(
        "--row",
        action="append",
        default=[],
        metavar="'SECTION|LABEL|SCORES[|DATA]'",
        help="further row of a section: scoring folder, data directory; may be repeated",
    )


def read_outputs(args: argparse.Namespace) -> list:
    """Return the outputs that the options select; see :func:`espnet_codecse.report.experiments.discover`.

    Raises:
        UserError: the folder has no scores.
    """
    from espnet_codecse.errors import UserError
    from espnet_codecse.report.experiments import discover

    if args.expdir is None:
        return []
    outputs = discover(args.expdir, args.dumpdir, args.test_sets.split())
    if not outputs:
        raise UserError(f"--expdir {args.expdir}: no scores for '{args.test_sets}'; run stage 7 first")
    return outputs


def read_all_rows(args: argparse.Namespace) -> list:
    """Return the rows of ``--expdir``, then those of ``--row``.

    Raises:
        UserError: there are no rows, or scores cannot be read.
    """
    from espnet_codecse.errors import UserError
    from espnet_codecse.report.scores import read_row, read_rows

    rows = [*read_rows(read_outputs(args)), *map(read_row, args.row)]
    if not rows:
        raise UserError("neither --expdir nor --row given; name an experiment folder or scoring folders")
    return rows

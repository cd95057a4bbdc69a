"""``codecse prepare_wsj0_2mix``: write data directories of WSJ0-2mix."""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import sample_rate
from espnet_codecse.bin.prepare_options import add_common_options


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="codecse prepare_wsj0_2mix",
        description="Write data/{tr,cv,tt}_<min or max>_<rate> of WSJ0-2mix, from an existing 2speakers tree or from "
        "raw WSJ0 and the published mixing lists. The audio has the mixtures' rate (--mix_fs); stage 2 resamples it "
        "to --fs, the codec's rate. An interrupted run resumes.",
    )
    add_common_options(parser, "WSJ0")
    add = parser.add_argument
    add("--mix_fs", type=sample_rate, default=8000, help="rate of the mixtures in Hz, 8k or 16k (default: %(default)s)")
    add("--min_or_max", choices=["min", "max"], default="min", help="cut the longer or pad the shorter (default: min)")
    add("--lists", type=Path, help="folder of mix_2_spk_{tr,cv,tt}.txt: mix raw WSJ0 (default: the corpus's folder)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    args = get_parser().parse_args(argv)
    from espnet_codecse.corpus.location import corpus_root
    from espnet_codecse.corpus.wsj0 import VARIABLE
    from espnet_codecse.corpus.wsj0_2mix import Wsj0MixSettings, prepare
    from espnet_codecse.errors import UserError
    from espnet_codecse.job.resources import num_cores

    if args.mix_fs not in (8000, 16000):
        raise UserError(f"--mix_fs {args.mix_fs}: WSJ0-2mix exists at 8000 and 16000 Hz; choose one of them")
    root = corpus_root(VARIABLE, [], args.root)
    settings = Wsj0MixSettings(args.mix_fs, args.min_or_max, args.lists, args.subset, args.incomplete)
    for line in prepare(root, args.datadir, settings, args.nj or num_cores(), args.check):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())

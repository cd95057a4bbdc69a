"""``codecse prepare_wsj0_chime3``: write data directories of WSJ0-CHiME3."""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import natural
from espnet_codecse.bin.prepare_options import add_common_options


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="codecse prepare_wsj0_chime3",
        description="Mix WSJ0 with the backgrounds of CHiME-3 as published with SGMSE+, and write "
        "data/{train,valid,test}. An interrupted run resumes.",
    )
    add_common_options(parser, "WSJ0")
    add = parser.add_argument
    add("--chime3", type=Path, help="folder of CHiME-3 (default: the variable CHIME3 of db.sh)")
    add("--snr_range", type=float, nargs=2, default=(0.0, 20.0), metavar=("LOW", "HIGH"), help="dB (default: 0 20)")
    add("--real", action="store_true", help="also write chime3_real, CHiME-3's real test set, without references")
    add("--seed", type=natural, default=0, help="random seed (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    args = get_parser().parse_args(argv)
    from espnet_codecse.corpus.location import corpus_root
    from espnet_codecse.corpus.wsj0 import VARIABLE
    from espnet_codecse.corpus.wsj0_chime3 import NOISE_VARIABLE, Wsj0Chime3Settings, prepare
    from espnet_codecse.errors import UserError
    from espnet_codecse.job.resources import num_cores

    low, high = args.snr_range
    if low >= high:
        raise UserError(f"--snr_range {low:g} {high:g}: the first value must be the lower one")
    roots = corpus_root(VARIABLE, [], args.root), corpus_root(NOISE_VARIABLE, [], args.chime3)
    settings = Wsj0Chime3Settings(args.fs, (low, high), args.seed, args.subset, args.incomplete)
    for line in prepare(*roots, args.datadir, settings, args.nj or num_cores(), args.check):
        print(line)
    if args.real:
        from espnet_codecse.corpus.chime3_real import find_real, prepare_real

        if args.check:
            print(f"{roots[1]}: {len(find_real(roots[1], args.incomplete))} real test utterances")
        else:
            print(prepare_real(roots[1], args.datadir, args.subset, args.incomplete))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``codecse data_dir validate|fix DIR``: check or repair a Kaldi-style data directory."""

import argparse
import sys

from espnet_codecse.bin.numbers import natural


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(prog="codecse data_dir", description="Check or repair a data directory.")
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    validate = commands.add_parser("validate", help="check that ids are sorted, unique and the same in all files")
    validate.add_argument("dir", metavar="DIR", help="data directory")
    validate.add_argument("--num_references", type=natural, default=0, help="N: spk1.scp ... spkN.scp must exist")
    validate.add_argument("--no_files", action="store_true", help="do not check that the audio files exist")
    fix = commands.add_parser("fix", help="sort, keep the ids that all files have, rewrite spk2utt")
    fix.add_argument("dir", metavar="DIR", help="data directory")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    args = get_parser().parse_args(argv)
    from espnet_codecse.corpus.data_dir import fix_data_dir, validate_data_dir

    if args.action == "validate":
        count = validate_data_dir(args.dir, args.num_references, check_files=not args.no_files)
        print(f"{args.dir}: {count} utterances, consistent")
        return 0
    dropped = fix_data_dir(args.dir)
    listed = ", ".join(f"{name}: {number}" for name, number in sorted(dropped.items()))
    print(f"{args.dir}: fixed; lines dropped: {listed or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

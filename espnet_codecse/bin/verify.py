"""Verify packs: the hash of every file, every key of the weights, the codec's fingerprint, and a short enhancement.

    codecse verify nac_se.zip

Nothing in a pack is run or trusted: pickles with code, paths that lead outside, links, bombs and YAML tags are
refused. The exit status is 1 when anything is wrong.
"""

import argparse
import sys


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse verify``."""
    parser = argparse.ArgumentParser(
        prog="codecse verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", nargs="+", help="zip, folder of an unpacked one, carried model, hub id")
    parser.add_argument("--codec", help="where the codec lies, for packs that do not carry it")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Verify each pack; a wrong one does not stop the others."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.errors import UserError
    from espnet_codecse.zoo.verify import verify_pack

    wrong = 0
    for pack in args.pack:
        try:
            for line in verify_pack(pack, codec=args.codec):
                print(f"{pack}: {line}")
            print(f"{pack}: verified")
        except UserError as error:
            wrong += 1
            print(f"codecse verify: {error}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

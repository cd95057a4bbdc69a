"""Verify packs: hash of every file, keys of the weights, fingerprint of the codec, and a short enhancement.

    codecse verify nac_se.zip

Packs are not trusted: pickles with code, paths that lead outside, links, zip bombs and YAML tags are refused. The exit
status is 1 if anything is wrong.
"""

import argparse
import sys


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse verify``."""
    parser = argparse.ArgumentParser(
        prog="codecse verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", nargs="+", help="zip, its unpacked folder, packaged model, or hub id")
    parser.add_argument("--codec", help="folder of the codec, for packs without it")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Verify each pack; a bad pack does not stop the others."""
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

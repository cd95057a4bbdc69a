"""Publish a pack on the Hugging Face hub, with its files at the root of a model repository and README.md as the card.

    codecse publish nac_se.zip --repo user/nac_se --dry_run     # list the files
    codecse publish nac_se.zip --repo user/nac_se

The pack is verified first. The token comes from 'hf auth login' or HF_TOKEN. HF_ENDPOINT names another hub.
"""

import argparse
import sys
import tempfile
from pathlib import Path


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse publish``."""
    parser = argparse.ArgumentParser(
        prog="codecse publish", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("pack", help="zip written by codecse pack, or its unpacked folder")
    add("--repo", required=True, metavar="USER/NAME", help="model repository")
    add("--private", action="store_true", help="make the repository private")
    add("--update", action="store_true", help="replace the files of an existing repository")
    add("--dry_run", action="store_true", help="verify, list the files to upload, and stop")
    add("--codec", help="folder of the codec, for packs without it")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Verify the pack, list its files and upload them."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.errors import UserError
    from espnet_codecse.zoo.archive import unpack
    from espnet_codecse.zoo.publish import listed_files, publish_pack
    from espnet_codecse.zoo.verify import verify_folder

    if args.repo.count("/") != 1:
        raise UserError(f"--repo {args.repo}: must be user/name")
    with tempfile.TemporaryDirectory(prefix="codecse_publish.") as temporary:
        folder = Path(args.pack)
        if not folder.is_dir():
            if not folder.is_file():
                raise UserError(f"{args.pack}: no such pack; codecse pack (stage 10) writes it")
            folder = unpack(folder, Path(temporary))
        verify_folder(folder, args.pack, args.codec)
        files = listed_files(folder, args.pack)
        for name, size in files:
            print(f"{size:>12}  {name}")
        total = f"{len(files)} files, {sum(size for _, size in files) / 1e6:.1f} MB"
        if args.dry_run:
            print(f"{args.repo}: {total} would be uploaded (dry run)")
            return 0
        address = publish_pack(folder, args.repo, args.pack, args.private, args.update)
    print(f"{args.repo}: {total}: {address}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``codecse prepare_vctk_demand``: write data directories of VoiceBank-DEMAND."""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.prepare_options import add_common_options

BASE_URL = "https://datashare.ed.ac.uk/bitstream/handle/10283/2791"


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="codecse prepare_vctk_demand",
        description="Write data/{train,valid,test} and the unpaired lists data/{unpaired_noisy,prior_in_domain,"
        "prior_out_of_domain} of VoiceBank-DEMAND from its zips or unpacked folders. An interrupted run resumes.",
    )
    add_common_options(parser, "VCTK_DEMAND")
    add = parser.add_argument
    add("--speakers", choices=["28", "56", "84"], default="28", help="training speakers; 84: both sets (default: 28)")
    add("--prior_dir", type=Path, help="folder of other clean speech: the out-of-domain prior of unsupervised training")
    add("--download", action="store_true", help="download missing zips to the corpus's folder")
    add("--base_url", default=BASE_URL, help="address to download from (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    args = get_parser().parse_args(argv)
    from espnet_codecse.corpus.download import download
    from espnet_codecse.corpus.location import corpus_root
    from espnet_codecse.corpus.vctk_demand import VARIABLE, VctkDemandSettings, archives, prepare
    from espnet_codecse.fileio import make_folder
    from espnet_codecse.job.resources import num_cores

    if args.download and args.root is not None:
        make_folder(args.root)
    root = corpus_root(VARIABLE, [], args.root)
    if args.download:
        for name in archives(args.speakers):
            if not (root / name).is_dir():
                download(f"{args.base_url.rstrip('/')}/{name}.zip", root / f"{name}.zip")
    settings = VctkDemandSettings(args.fs, args.speakers, args.subset, args.prior_dir, args.incomplete)
    for line in prepare(root, args.datadir, settings, args.nj or num_cores(), args.check):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Store VAE latents or features of a frozen model, which training would compute in every epoch.

    codecse extract_latents --vae exp/fuse/1_vae/valid.loss.best.pth dump/raw/train dump/fuse/latents/train
    codecse extract_latents --guidance beats:/models/BEATs_iter3_plus_AS2M.pt dump/raw/train dump/fuse/beats/train
    codecse extract_latents --guidance distillmos:v7 --references dump/raw/train dump/distillmos/train

The same command resumes where it stopped. Codec embeddings written by codecse extract can guide without conversion.
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.ark_options import add_ark_options
from espnet_codecse.job.array import submitter


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        prog="codecse extract_latents", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("data_dir", type=Path, help="data directory with wav.scp, spk1.scp, ...")
    add(
        "out_dir",
        type=Path,
        help="output: emb_mix.scp, utt2num_frames, codec.yaml, parts/; with references emb_ref1.scp",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--vae", help="checkpoint of the step 1_vae, beside its config.yaml")
    what.add_argument(
        "--guidance", help="KIND:MODEL: beats:FILE, transformers:ID_OR_FOLDER, codec:NAME or distillmos:v7"
    )
    add("--references", action="store_true", help="also of the references, for a teacher; --vae always stores them")
    add_ark_options(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Extract the latents or features."""
    argv = sys.argv[1:] if argv is None else argv
    args = get_parser().parse_args(argv)
    from espnet_codecse.embedding.extract import extract
    from espnet_codecse.job import default_nj
    from espnet_codecse.job.lock import exclusive
    from espnet_codecse.task.device import resolve_device

    if not args.cmd:  # jobs run on other machines
        args.device = resolve_device(args.device)
    nj = args.nj or default_nj(mem_per_job=3.0)
    loader = "espnet_codecse.fuse.latents:load_latents" if args.vae else "espnet_codecse.features:load_features"
    with exclusive(args.out_dir, args.part):
        extract(
            args.vae or args.guidance,
            args.data_dir,
            args.out_dir,
            "continuous",
            args.compression,
            nj,
            device=args.device,
            part_seconds=args.part_seconds,
            share=args.part,
            only_mixtures=not (args.vae or args.references),
            loader=loader,
            submit=submitter("extract_latents", args, argv, args.out_dir / "log", nj),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

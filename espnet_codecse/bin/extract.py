"""Extract codec embeddings of a data directory to arks; the same command resumes where it stopped.

codecse extract --codec small dump/raw/train dump/codec/small_continuous/train
codecse extract --codec small --peak 1 --reference_peak 1 dump/raw/train dump/codec/small_continuous_peak1/train
codecse extract --codec descript/dac_16khz --layer quantized --nj 4 dump/raw/test dump/codec/dac_quantized/test
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.ark_options import add_ark_options
from espnet_codecse.bin.numbers import above_zero, positive
from espnet_codecse.embedding.description import LAYERS
from espnet_codecse.job.array import submitter


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        prog="codecse extract", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("data_dir", type=Path, help="data directory with wav.scp, spk1.scp, ...")
    add("out_dir", type=Path, help="output: emb_mix.scp, emb_ref1.scp, ..., utt2num_frames, codec.yaml and parts/")
    add("--codec", required=True, help="name or folder of the codec")
    add(
        "--layer",
        default="continuous",
        choices=LAYERS,
        help="embedding before or after the quantiser, or codes (default: %(default)s)",
    )
    add(
        "--num_codebooks",
        type=positive,
        help="codes per frame of the layers quantized and codes: the codec's first codebooks (default: all)",
    )
    add(
        "--peak",
        type=above_zero,
        help="scale each mixture to this peak, and its references along with it (default: encode recordings as they "
        "are)",
    )
    add("--reference_peak", type=above_zero, help="scale each reference to this peak of its own; needs --peak")
    add(
        "--codec_dtype",
        default="auto",
        choices=["auto", "float32", "bfloat16"],
        help="data type of the codec's matrix products; auto: bfloat16 for DAC on a CPU with hardware for it, "
        "otherwise float32 (default: %(default)s)",
    )
    add("--noise", action="store_true", help="also extract noise1.scp, ...")
    add("--batch_size", type=positive, default=16, help="largest number of recordings per batch (default: %(default)s)")
    add(
        "--max_batch_seconds",
        type=above_zero,
        default=60.0,
        help="most padded seconds per batch (default: %(default)s)",
    )
    add_ark_options(parser)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Extract the embeddings."""
    argv = sys.argv[1:] if argv is None else argv
    args = get_parser().parse_args(argv)
    from espnet_codecse.embedding.extract import extract
    from espnet_codecse.errors import UserError
    from espnet_codecse.job import default_nj
    from espnet_codecse.job.lock import exclusive
    from espnet_codecse.level import LevelRule
    from espnet_codecse.task.device import resolve_device

    try:
        levels = LevelRule.of(args.peak, args.reference_peak)
    except ValueError as error:
        raise UserError(f"--{error}") from None
    if not args.cmd:  # jobs run on other machines
        args.device = resolve_device(args.device)
    nj = args.nj or default_nj(mem_per_job=3.0)
    with exclusive(args.out_dir, args.part):
        extract(
            args.codec,
            args.data_dir,
            args.out_dir,
            args.layer,
            args.compression,
            nj,
            args.batch_size,
            args.max_batch_seconds,
            args.device,
            args.noise,
            args.part_seconds,
            args.part,
            submitter("extract", args, argv, args.out_dir / "log", nj),
            num_codebooks=args.num_codebooks,
            levels=levels,
            codec_dtype=args.codec_dtype,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

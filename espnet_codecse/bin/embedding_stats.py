"""Mean and standard deviation per channel of stored embeddings, and ESPnet's shape files.

    codecse embedding_stats dump/codec/small_continuous/train exp/stats_small_continuous/train
"""

import argparse
import sys
from pathlib import Path
from typing import List, Optional


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        prog="codecse embedding_stats", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("embedding_dir", type=Path, help="folder written by codecse extract")
    parser.add_argument("out_dir", type=Path, help="gets stats.npz, speech_mix_shape, speech_ref1_shape, ...")
    parser.add_argument("--stream", default="mix", help="stream whose statistics are taken (default: %(default)s)")
    return parser


def main(argv: Optional[List[str]] = None) -> int:
    """Write the statistics."""
    args = get_parser().parse_args(argv)
    from espnet_codecse.embedding.stats import embedding_stats

    num_frames = embedding_stats(args.embedding_dir, args.out_dir, args.stream)
    print(f"embedding_stats: statistics of {num_frames} frames are in {args.out_dir}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Mean and standard deviation per channel of stored embeddings, and ESPnet's shape files.

codecse embedding_stats dump/codec/small_continuous/train exp/stats_small_continuous/train
"""

import argparse
import hashlib
import sys
from pathlib import Path

from espnet_codecse.identity import file_state


def get_parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    parser = argparse.ArgumentParser(
        prog="codecse embedding_stats", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("embedding_dir", type=Path, help="folder written by codecse extract")
    parser.add_argument("out_dir", type=Path, help="output folder: stats.npz, speech_mix_shape, speech_ref1_shape, ...")
    parser.add_argument("--stream", default="mix", help="stream to take the statistics of (default: %(default)s)")
    return parser


def _key(folder: Path, stream: str) -> str:
    """Return a hash of the lists and of the state of every ark."""
    digest = hashlib.sha256(stream.encode())
    for scp in sorted(folder.glob("emb_*.scp")):
        digest.update(scp.read_bytes())
    for ark in sorted(folder.glob("parts/*.ark")):
        digest.update(f"{ark.name} {file_state(ark)};".encode())
    return digest.hexdigest()


def main(argv: list[str] | None = None) -> int:
    """Write the statistics."""
    args = get_parser().parse_args(argv)
    from espnet_codecse.fileio import atomic_path, read_marker, remove_file

    done = args.out_dir / ".done"
    key = _key(args.embedding_dir, args.stream)
    if read_marker(done) == key and (args.out_dir / "stats.npz").is_file():
        print(f"embedding_stats: {args.out_dir}: skipped (already done)", file=sys.stderr)
        return 0
    remove_file(done)
    from espnet_codecse.embedding.stats import embedding_stats

    num_frames = embedding_stats(args.embedding_dir, args.out_dir, args.stream)
    with atomic_path(done) as temporary:
        temporary.write_text(key, encoding="utf-8")
    print(f"embedding_stats: statistics of {num_frames} frames are in {args.out_dir}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

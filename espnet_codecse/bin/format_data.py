"""``codecse format SRC DST``: check a data directory and convert its audio to one sample rate and one channel."""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import natural, not_negative, positive, sample_rate
from espnet_codecse.errors import UserError
from espnet_codecse.job.array import add_job_options, submitter


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="codecse format",
        description="Check every utterance of a data directory and write a checked copy. Audio that already fits is "
        "not copied; DST/rejected.tsv lists utterances that cannot be used. An interrupted run resumes.",
    )
    parser.add_argument("source", type=Path, metavar="SRC", help="data directory with wav.scp and utt2spk")
    parser.add_argument("target", type=Path, metavar="DST", help="data directory to write")
    parser.add_argument(
        "--fs", type=sample_rate, default=16000, help="sample rate, such as 16000 or 16k (default: 16000)"
    )
    parser.add_argument("--nj", type=natural, default=0, help="processes (default: one per core)")
    add_job_options(parser)
    parser.add_argument(
        "--ref_channel", type=natural, default=0, help="channel to keep of multi-channel files (default: 0)"
    )
    parser.add_argument(
        "--min_duration", type=not_negative, default=0.0, help="shortest utterance, seconds (default: no limit)"
    )
    parser.add_argument(
        "--max_duration", type=not_negative, default=0.0, help="longest utterance, seconds (default: no limit)"
    )
    parser.add_argument(
        "--num_frames_min_samples",
        type=positive,
        default=1,
        help="samples per codec frame; shorter utterances are rejected (default: 1)",
    )
    parser.add_argument("--num_references", type=natural, default=0, help="N: spk1.scp ... spkN.scp must exist")
    parser.add_argument("--expected_count", type=natural, help="published number of utterances; any other is an error")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    args = get_parser().parse_args(argv)
    from espnet_codecse.corpus.check import FormatSettings, format_data_dir
    from espnet_codecse.job.lock import exclusive
    from espnet_codecse.job.resources import num_cores

    if args.source.resolve() == args.target.resolve():
        raise UserError(f"{args.target}: source and target are the same folder; give another target")
    settings = FormatSettings(
        rate=args.fs,
        ref_channel=args.ref_channel,
        min_samples=args.num_frames_min_samples,
        min_duration=args.min_duration,
        max_duration=args.max_duration,
        num_references=args.num_references,
    )
    num_jobs = args.nj or num_cores()
    submit = submitter("format", args, argv, args.target / "log", num_jobs)
    with exclusive(args.target, args.part):
        print(format_data_dir(args.source, args.target, settings, num_jobs, args.expected_count, args.part, submit))
    return 0


if __name__ == "__main__":
    sys.exit(main())

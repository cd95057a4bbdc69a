"""Enhance recordings of any format, sample rate, length and number of channels.

    codecse enhance noisy/ interview.mp3 'tapes/**/*.wav' --output_dir enhanced
    codecse enhance - < noisy.wav > enhanced.wav
    codecse enhance --from codes --to codes codes/ --output_dir enhanced_codes

A folder is searched to any depth, and its structure kept below the output folder. An output has the rate, length,
channels, level, format and subtype of its input; where libsndfile cannot write the input's format (such as AIFC with
GSM), it is wav, and the report says so. Each channel is enhanced on its own. A recording of hours takes no more memory
than one of a minute.

The codec works at 16 kHz (the small one; others at their own rate): what a recording of 44.1 or 48 kHz holds above
8 kHz is not in the output, but with --mix below 1 a share of it, and it counts as removed in --residual.

The same command goes on where it was stopped: what is newer than its input and was made with the same settings is
skipped. A recording that cannot be used stops none of the others: failed.tsv in the output folder names it with the
reason, and the exit status is 1.

With --to codes no waveform is made of the result, with --from codes none of the input: the codes' quantised embedding
goes through the model and the quantiser to codes (see docs/bitstream.md).
"""

import argparse
import sys
from pathlib import Path


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse enhance``."""
    from espnet_codecse.bin.model_option import add_model_option
    from espnet_codecse.recording.formats import CHOICES

    parser = argparse.ArgumentParser(
        prog="codecse enhance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="file, folder or glob (** for any depth); - for the standard streams")
    add("-o", "--output_dir", type=Path, help="folder of the outputs; not with -")
    add(
        "--model",
        default="nac_se",
        help="nac_se, a packed zip, its folder, an experiment folder, a model-zoo tag or "
        "a Hugging Face id (default: %(default)s)",
    )
    add("--codec", help="the model's codec, where it lies elsewhere now: name or folder")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add(
        "--dtype",
        default="auto",
        choices=["auto", "float32", "bfloat16"],
        help="the model's arithmetic; auto: bfloat16 where the device computes in it (default: %(default)s)",
    )
    add_model_option(parser)
    add("--format", choices=list(CHOICES), help="format of the outputs (default: the input's)")
    add("--mono", action="store_true", help="average the channels first")
    add(
        "--mix",
        type=mix,
        default=1.0,
        help="share of the enhanced signal, 0 to 1; the rest is the input, and 0 "
        "gives the input itself (default: %(default)s)",
    )
    add(
        "--residual",
        action="store_true",
        help="also write what was removed, <name>.residual.<suffix>: the sum with "
        "the output is the input, exactly so in integer formats",
    )
    add("--from", dest="source", default="wave", choices=["wave", "codes"], help="what is read (default: %(default)s)")
    add("--to", dest="target", default="wave", choices=["wave", "codes"], help="what is written (default: %(default)s)")
    add(
        "--num_codebooks",
        type=positive,
        help="codes per frame that --to codes writes: the codec's first codebooks "
        "(default: as many as the input has, or all)",
    )
    add(
        "--jobs",
        type=positive,
        default=0,
        help="processes, each with a model of its own (default: one a core, where "
        "each has minutes of audio to work on)",
    )
    add(
        "--batch_seconds",
        type=float,
        default=60.0,
        help="short recordings of similar length are enhanced together, "
        "up to this many seconds of padded audio (default: %(default)s)",
    )
    add(
        "--segment_seconds",
        type=float,
        default=30.0,
        help="longer recordings go in cross-faded segments of this length (default: %(default)s)",
    )
    return parser


def mix(text: str) -> float:
    """Return a number from 0 to 1; argparse names the option where it is none."""
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise ValueError
    return value


def positive(text: str) -> int:
    """Return a positive whole number; argparse names the option where it is none."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def main(argv: list[str] | None = None) -> int:
    """Enhance what is not done yet and report; 1 if a recording failed."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.errors import UserError
    from espnet_codecse.recording.job import Options

    check_output_dir(args.paths, args.output_dir)
    if args.segment_seconds <= 1.0:  # told before any work, not by the first recording
        raise UserError(f"--segment_seconds {args.segment_seconds}: segments overlap by 1 s; give a larger value")
    if "codes" in (args.source, args.target):
        for option, given in (("--mix", args.mix < 1.0), ("--residual", args.residual)):
            if given:
                raise UserError(f"{option} works on waveforms; leave it out with --from codes or --to codes")
    if args.source == "codes" and args.mono:
        raise UserError("--mono: codes cannot be averaged; leave it out with --from codes")
    if args.target == "codes" and args.format:
        raise UserError("--format is that of waveforms; leave it out with --to codes")
    if args.target != "codes" and args.num_codebooks:
        raise UserError("--num_codebooks is of the codes written; give --to codes with it")
    from espnet_codecse.fileio import sha256_of
    from espnet_codecse.recording.session import Session
    from espnet_codecse.task.configuration import num_speakers
    from espnet_codecse.zoo.find import find_model

    model = find_model(args.model)
    options = Options(
        source=args.source,
        target=args.target,
        model=args.model,
        codec=args.codec,
        device=args.device,
        dtype=args.dtype,
        mono=args.mono,
        mix=args.mix,
        segment_seconds=args.segment_seconds,
        model_options=tuple(args.model_option),
        num_codebooks=args.num_codebooks,
    )
    # The weights, not their name: a training goes on under the same one.
    identity = {"model": [sha256_of(Path(file)) for file in (model.train_config, model.model_file)]}
    session = Session(
        verb="enhanced",
        options=options,
        settings=identity,
        choice=args.format,
        residual=args.residual,
        num_speakers=num_speakers(model.configuration),
        num_jobs=args.jobs,
        batch_seconds=args.batch_seconds,
    )
    return run(session, args.paths, args.output_dir)


def check_output_dir(paths: list[str], output_dir: Path | None) -> None:
    """Check that ``-`` stands alone and anything else has an output folder.

    Raises:
        UserError: it does not, or has none.
    """
    from espnet_codecse.errors import UserError

    if "-" in paths and (len(paths) > 1 or output_dir is not None):
        raise UserError("-: stands for the standard streams; give neither other paths nor --output_dir with it")
    if "-" not in paths and output_dir is None:
        raise UserError("--output_dir: missing; name the folder of the outputs")


def run(session, paths: list[str], output_dir: Path | None) -> int:
    """Run a session over files or the standard streams, and return the exit status."""
    if paths == ["-"]:
        from espnet_codecse.recording.pipe import run_pipe

        return run_pipe(session)
    return session.run(paths, output_dir)


if __name__ == "__main__":
    sys.exit(main())

"""Enhance recordings of any format, sample rate, length and number of channels.

    codecse enhance noisy/ interview.mp3 'tapes/**/*.wav' --output_dir enhanced
    codecse enhance - < noisy.wav > enhanced.wav
    codecse enhance --from codes --to codes codes/ --output_dir enhanced_codes

Folders are searched to any depth, and their structure is kept below the output folder. An output has the sample rate,
length, channels, level, format and subtype of its input. If libsndfile cannot write the input's format (such as AIFC
with GSM), the output is wav and the report says so. Each channel is enhanced on its own. A recording of several hours
takes no more memory than one of a minute.

Models at 16 kHz work below 8 kHz. The band above, of recordings at 22.05 kHz and more, passes through gains that follow
what the model removed below; --bandwidth 8k removes it, as do models of several speakers or at other rates. A line at
the end names recordings that lost such a band, in which no speech was found, or of which steady tones, as in music, are
much.

The same command resumes where it stopped. It skips outputs that are newer than their input and were made with the same
settings. A broken file does not stop the others: failed.tsv in the output folder names it with the reason, and the exit
status is 1.

With --from codes the input is not decoded to a waveform, and with --to codes the result is not. The quantised embedding
of the codes goes through the model and the quantiser (see docs/bitstream.md).
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.numbers import above_zero, positive


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
    add("--codec", help="name or folder of the model's codec, if it has moved since training")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add(
        "--dtype",
        default="auto",
        choices=["auto", "float32", "bfloat16"],
        help="data type of the model; auto: bfloat16 if the device supports it in hardware (default: %(default)s)",
    )
    add_model_option(parser)
    add("--format", choices=list(CHOICES), help="format of the outputs (default: the input's)")
    add("--mono", action="store_true", help="average the channels first")
    add(
        "--bandwidth",
        choices=["full", "8k"],
        default="full",
        help="full: keep the recording's band above 8 kHz, filtered; 8k: remove it (default: %(default)s)",
    )
    shares = parser.add_mutually_exclusive_group()
    shares.add_argument(
        "--mix",
        type=mix,
        default=1.0,
        help="share of the enhanced signal, 0 to 1; the rest is the input, and 0 "
        "returns the input itself (default: %(default)s)",
    )
    shares.add_argument(
        "--floor_db",
        dest="mix",
        type=mix_of_floor,
        metavar="DB",
        default=argparse.SUPPRESS,
        help="leave the background this far below its level in the input, so that pauses do not become silent: "
        "--floor_db -30 is --mix 0.968 (default: remove it as far as the model does)",
    )
    add(
        "--residual",
        action="store_true",
        help="also write what was removed, <name>.residual.<suffix>; its sum with "
        "the output is the input, exactly in integer formats",
    )
    add("--from", dest="source", default="wave", choices=["wave", "codes"], help="kind of input (default: %(default)s)")
    add("--to", dest="target", default="wave", choices=["wave", "codes"], help="kind of output (default: %(default)s)")
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
        help="processes, each with its own model (default: one per core, if each has minutes of audio to process)",
    )
    add(
        "--batch_seconds",
        type=above_zero,
        default=60.0,
        help="short recordings of similar length are enhanced together, "
        "up to this many seconds of padded audio (default: %(default)s)",
    )
    add(
        "--segment_seconds",
        type=above_zero,
        default=30.0,
        help="longer recordings are split into cross-faded segments of this length (default: %(default)s)",
    )
    add("--quiet", action="store_true", help="print nothing but failures")
    return parser


def mix(text: str) -> float:
    """Parse a number from 0 to 1; argparse turns the ValueError into a message that names the option."""
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise ValueError
    return value


def mix_of_floor(text: str) -> float:
    """Parse a level in dB, at most 0, and return the share of the enhanced signal that leaves the input at that level.

    argparse turns the ValueError into a message that names the option.
    """
    floor_db = float(text)
    if not -200.0 <= floor_db <= 0.0:
        raise ValueError
    return 1.0 - 10.0 ** (floor_db / 20.0)


def main(argv: list[str] | None = None) -> int:
    """Enhance the remaining recordings and report; return 1 if one failed."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.errors import UserError
    from espnet_codecse.recording.job import Options
    from espnet_codecse.task.device import check_device

    check_device(args.device)
    check_output_dir(args.paths, args.output_dir)
    if args.segment_seconds <= 1.0:  # checked before any work, not at the first recording
        raise UserError(f"--segment_seconds {args.segment_seconds}: segments overlap by 1 s; give a larger value")
    if "codes" in (args.source, args.target):
        for option, given in (("--mix", args.mix < 1.0), ("--residual", args.residual)):
            if given:
                raise UserError(f"{option} works on waveforms; leave it out with --from codes or --to codes")
    if args.source == "codes" and args.mono:
        raise UserError("--mono: codes cannot be averaged; leave it out with --from codes")
    if args.target == "codes" and args.format:
        raise UserError("--format applies to waveforms; leave it out with --to codes")
    if args.target != "codes" and args.num_codebooks:
        raise UserError("--num_codebooks applies to codes that are written; add --to codes")
    from espnet_codecse.fileio import sha256_of
    from espnet_codecse.high_band.load import WEIGHTS
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
        full_band=args.bandwidth == "full",
        segment_seconds=args.segment_seconds,
        model_options=tuple(args.model_option),
        num_codebooks=args.num_codebooks,
        listen=not args.quiet,
    )
    # A hash of the weights, not their name: a resumed training writes them under the same name.
    files = [Path(model.train_config), Path(model.model_file)]
    if options.full_band:
        files.append(WEIGHTS)
    session = Session(
        verb="enhanced",
        options=options,
        settings={"model": [sha256_of(file) for file in files]},
        choice=args.format,
        residual=args.residual,
        num_speakers=num_speakers(model.configuration),
        num_jobs=args.jobs,
        batch_seconds=args.batch_seconds,
        quiet=args.quiet,
    )
    return run(session, args.paths, args.output_dir)


def check_output_dir(paths: list[str], output_dir: Path | None) -> None:
    """Check that ``-`` is the only path, or that there is an output folder.

    Raises:
        UserError: ``-`` beside other paths or an output folder, or files without an output folder.
    """
    from espnet_codecse.errors import UserError

    if "-" in paths and (len(paths) > 1 or output_dir is not None):
        raise UserError("-: means the standard streams; give neither other paths nor --output_dir with it")
    if "-" not in paths and output_dir is None:
        raise UserError("--output_dir: missing; name a folder for the outputs")


def run(session, paths: list[str], output_dir: Path | None) -> int:
    """Run a session over files or the standard streams, and return the exit status."""
    if paths == ["-"]:
        from espnet_codecse.recording.pipe import run_pipe

        return run_pipe(session)
    return session.run(paths, output_dir)


if __name__ == "__main__":
    sys.exit(main())

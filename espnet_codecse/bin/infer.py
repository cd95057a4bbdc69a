"""Enhance a data directory with a trained model, or pass it through the codec alone.

    codecse infer --train_config exp/X/config.yaml --model_file exp/X/valid.loss.best.pth \\
        --layers continuous quantized --output_dir 'exp/X/{layer}_test' dump/raw/test/wav.scp
    codecse infer --codec small --output_dir exp/ceiling/continuous_test dump/raw/test/spk1.scp dump/raw/test/spk2.scp

Parts (--part 2/4) can run as parallel jobs; --collect then writes spk1.scp, ... and fails if an output is missing.
"""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_codecse.bin.model_option import add_model_option
from espnet_codecse.bin.numbers import above_zero, natural, positive
from espnet_codecse.job.array import parse_share
from espnet_codecse.task.model_types import LAYERS

if TYPE_CHECKING:
    from espnet_codecse.inference.abs_enhancer import AbsEnhancer
    from espnet_codecse.inference.data_set import OutputFolders


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse infer``."""
    parser = argparse.ArgumentParser(
        prog="codecse infer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("scp", type=Path, nargs="+", help="recordings at the codec's rate; with the codec alone, one list per speaker")
    add("--output_dir", required=True, help="output folder; must contain {layer} if there are several layers")
    add("--train_config", type=Path, help="config.yaml of the training (default: the codec alone)")
    add("--model_file", type=Path, help="checkpoint of the training")
    add("--codec", help="name or folder; with a model, only if its codec has moved since training")
    add(
        "--layers",
        nargs="+",
        default=["continuous"],
        choices=LAYERS,
        help="what to decode: continuous, quantized or both for models on embeddings; waveform for all others",
    )
    add(
        "--num_codebooks",
        type=positive,
        help="codes per frame of the layer quantized: the codec's first codebooks (default: all)",
    )
    add("--batch_seconds", type=above_zero, default=60.0, help="padded seconds per batch (default: %(default)s)")
    add("--segment_seconds", type=above_zero, default=30.0, help="longer recordings are split (default: %(default)s)")
    add("--device", default="cpu", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add("--num_threads", type=natural, default=0, help="torch threads (default: all cores)")
    add("--reference_scp", type=Path, help="clean speech, for models that take its features as input (oracles)")
    add_model_option(parser)
    add("--part", type=parse_share, default="1/1", help="k/n: run the k-th of n parts (default: %(default)s)")
    add("--collect", action="store_true", help="check that all outputs exist, and write spk1.scp, ...")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Enhance the remaining utterances, or collect the outputs."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.errors import UserError
    from espnet_codecse.fileio import read_scp
    from espnet_codecse.inference.data_set import OutputFolders
    from espnet_codecse.job.lock import exclusive
    from espnet_codecse.task.configuration import output_names, read_training
    from espnet_codecse.task.device import resolve_device

    if not args.collect:
        args.device = resolve_device(args.device)
    if (args.train_config is None) != (args.model_file is None):
        raise UserError("--train_config and --model_file go together; pass both or neither")
    if args.train_config is None and args.codec is None:
        raise UserError("neither a model nor a codec given; pass --train_config and --model_file, or --codec")
    if args.num_codebooks and "quantized" not in args.layers:
        raise UserError("--num_codebooks applies to the layer quantized; add --layers quantized")
    if len(args.layers) > 1 and "{layer}" not in args.output_dir:
        raise UserError(f"--output_dir {args.output_dir}: several layers need '{{layer}}' in it")
    folders = {layer: Path(args.output_dir.replace("{layer}", layer)) for layer in args.layers}
    if len(args.scp) > 1 and args.train_config is not None:
        raise UserError("--train_config: a model separates one list of mixtures; give one scp")
    # A model writes all outputs for its one list; the codec alone writes one output per list.
    names = [] if args.train_config is None else output_names(read_training(args.train_config))
    listed = []
    for index, scp in enumerate(args.scp):
        if args.train_config is None:
            names = [f"spk{index + 1}"]
        listed += names
        outputs = OutputFolders(folders, names)
        if args.collect:
            outputs.collect(list(read_scp(scp)))
            continue
        with ExitStack() as stack:
            for folder in folders.values():
                stack.enter_context(exclusive(folder, args.part, names[0]))
            _enhance(args, read_scp(scp), outputs)
    if args.collect:
        for folder in folders.values():
            print(f"{folder}: outputs in " + ", ".join(f"{name}.scp" for name in listed))


def _enhance(args: argparse.Namespace, paths: dict[str, str], outputs: "OutputFolders") -> None:
    import time

    from tqdm import tqdm

    from espnet_codecse.codec.resolve import check_num_codebooks
    from espnet_codecse.fileio import read_scp
    from espnet_codecse.inference.abs_enhancer import AbsEmbeddingEnhancer
    from espnet_codecse.inference.data_set import DataSet

    part = "part {}/{}".format(*args.part)
    data_set = DataSet(paths, args.part, args.batch_seconds, args.segment_seconds)
    references = None if args.reference_scp is None else read_scp(args.reference_scp)
    outputs.open(args.part[0])
    num_done = data_set.drop_done(outputs, _settings(args), references)
    if num_done:
        print(f"{part}: {num_done} utterances skipped (already done)")
    if not data_set.batches:
        return
    import torch

    if args.num_threads:
        torch.set_num_threads(args.num_threads)
    enhancer = _build(args)
    if args.num_codebooks:
        assert isinstance(enhancer, AbsEmbeddingEnhancer)  # only these have a layer quantized
        check_num_codebooks(enhancer.codec, args.num_codebooks)
        enhancer.num_codebooks = args.num_codebooks
    start = time.perf_counter()
    work = data_set.enhance(enhancer, outputs, _references(enhancer, references))
    for _ in tqdm(work, total=len(data_set.batches), desc="enhancing", unit="batch", disable=None):
        pass
    elapsed, seconds = time.perf_counter() - start, data_set.num_samples() / enhancer.sample_rate
    factor = elapsed / seconds if seconds else 0.0
    print(f"{part}: {seconds:.0f} s of audio in {elapsed:.1f} s, real-time factor {factor:.4f}")


def _settings(args: argparse.Namespace) -> list[Any]:
    """Return everything that outputs depend on apart from the recordings."""
    from espnet_codecse.codec.resolve import codec_files
    from espnet_codecse.fileio import sha256_of
    from espnet_codecse.identity import file_state

    model = [args.train_config, args.model_file] if args.model_file else []
    codec = [] if args.codec is None else [args.codec, *map(file_state, codec_files(args.codec))]
    options = [dict(args.model_option), args.num_codebooks, args.segment_seconds]
    return [[sha256_of(file) for file in model if file.is_file()], codec, options]


def _build(args: argparse.Namespace) -> "AbsEnhancer":
    from espnet_codecse.codec import load_codec
    from espnet_codecse.enh.enhancer import EmbeddingEnhancer

    if args.train_config is None:
        return EmbeddingEnhancer(load_codec(args.codec, args.device), None, args.layers, args.segment_seconds)
    from espnet_codecse.errors import UserError
    from espnet_codecse.zoo.find import ModelFiles
    from espnet_codecse.zoo.load import build_enhancer

    files = ModelFiles.of_training(args.train_config, args.model_file)
    # float32 everywhere: published figures must not depend on the machine's arithmetic.
    options = dict(args.model_option)
    enhancer = build_enhancer(files, args.codec, args.device, "float32", args.layers, args.segment_seconds, **options)
    if enhancer.layers != tuple(args.layers):
        raise UserError(f"--layers {' '.join(args.layers)}: this model decodes {' '.join(enhancer.layers)}")
    return enhancer


def _references(enhancer: "AbsEnhancer", references: dict[str, str] | None) -> dict[str, str] | None:
    """Return the clean speech of every utterance, or None if the model does not need it."""
    from espnet_codecse.errors import UserError

    if enhancer.needs_reference and references is None:
        raise UserError("--reference_scp: missing; this model takes the features of clean speech as input")
    return references if enhancer.needs_reference else None


if __name__ == "__main__":
    main()

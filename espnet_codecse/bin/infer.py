"""Enhance a data directory with a trained model, or pass it through the codec alone.

    codecse infer --train_config exp/X/config.yaml --model_file exp/X/valid.loss.best.pth \\
        --layers continuous quantized --output_dir 'exp/X/{layer}_test' dump/raw/test/wav.scp
    codecse infer --codec small --output_dir exp/ceiling/continuous_test dump/raw/test/spk1.scp dump/raw/test/spk2.scp

Parts (--part 2/4) may run as jobs; --collect then writes spk1.scp, ... and fails if anything is missing.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from espnet_codecse.bin.enhance import positive
from espnet_codecse.bin.model_option import add_model_option
from espnet_codecse.job.array import parse_share
from espnet_codecse.task.kinds import LAYERS


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of ``codecse infer``."""
    parser = argparse.ArgumentParser(
        prog="codecse infer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("scp", type=Path, nargs="+", help="recordings at the codec's rate; with the codec alone, a list a speaker")
    add("--output_dir", required=True, help="with {layer} in it, where there are several layers")
    add("--train_config", type=Path, help="config.yaml of the training; none: the codec alone")
    add("--model_file", type=Path, help="checkpoint of the training")
    add("--codec", help="name or folder; with a model only where its codec lies elsewhere now")
    add(
        "--layers",
        nargs="+",
        default=["continuous"],
        choices=LAYERS,
        help="what to decode: continuous, quantized or both of a model on embeddings; waveform of any other",
    )
    add(
        "--num_codebooks",
        type=positive,
        help="codes per frame of the layer quantized: the codec's first codebooks (default: all)",
    )
    add("--batch_seconds", type=float, default=60.0, help="padded seconds a batch (default: %(default)s)")
    add("--segment_seconds", type=float, default=30.0, help="longer recordings go in segments (default: %(default)s)")
    add("--device", default="cpu", help="torch device (default: %(default)s)")
    add("--num_threads", type=int, default=0, help="torch threads (default: all cores)")
    add("--reference_scp", type=Path, help="clean speech, for models that are given it: the oracles of a study")
    add_model_option(parser)
    add("--part", type=parse_share, default="1/1", help="k/n: the k-th of n parts (default: %(default)s)")
    add("--collect", action="store_true", help="check that all outputs are there and write spk1.scp, ...")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Enhance what is not there yet, or collect."""
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    from espnet_codecse.errors import UserError
    from espnet_codecse.fileio import read_scp
    from espnet_codecse.task.configuration import output_names

    if (args.train_config is None) != (args.model_file is None):
        raise UserError("--train_config and --model_file go together; pass both or neither")
    if args.train_config is None and args.codec is None:
        raise UserError("neither a model nor a codec given; pass --train_config and --model_file, or --codec")
    if args.num_codebooks and "quantized" not in args.layers:
        raise UserError("--num_codebooks is of the layer quantized; give --layers quantized with it")
    if len(args.layers) > 1 and "{layer}" not in args.output_dir:
        raise UserError(f"--output_dir {args.output_dir}: several layers need '{{layer}}' in it")
    outputs = {layer: Path(args.output_dir.replace("{layer}", layer)) for layer in args.layers}
    if len(args.scp) > 1 and args.train_config is not None:
        raise UserError("--train_config: a model makes the speakers of one list of mixtures; give one scp")
    # A model makes all outputs of its list, the codec one of each list.
    names = output_names(args.train_config)
    for index, scp in enumerate(args.scp):
        if args.train_config is None:
            names = [f"spk{index + 1}"]
        if args.collect:
            _collect(read_scp(scp), outputs, names)
        else:
            _enhance(args, read_scp(scp), outputs, names)
    if args.collect:
        listed = names if args.train_config else [f"spk{index + 1}" for index in range(len(args.scp))]
        for folder in outputs.values():
            print(f"{folder}: outputs in " + ", ".join(f"{name}.scp" for name in listed))


def _output_file(folder: Path, name: str, utterance: str) -> Path:
    """Return where an output goes; speakers have folders of their number, as in ESPnet."""
    return folder / "wavs" / name.removeprefix("spk") / f"{utterance}.flac"


def _collect(paths: dict[str, str], outputs: dict[str, Path], names: list[str]) -> None:
    from espnet_codecse.errors import UserError
    from espnet_codecse.fileio import write_scp

    for folder in outputs.values():
        for name in names:
            files = {utterance: _output_file(folder, name, utterance) for utterance in paths}
            missing = [utterance for utterance, file in files.items() if not file.is_file()]
            if missing:
                raise UserError(
                    f"{folder}: {len(missing)} of {len(files)} outputs missing, the first is {missing[0]}; "
                    "run the same stage again, it goes on where it was"
                )
            write_scp(folder / f"{name}.scp", {key: file.resolve() for key, file in files.items()})


def _enhance(args: argparse.Namespace, paths: dict[str, str], outputs: dict[str, Path], names: list[str]) -> None:
    import time

    from tqdm import tqdm

    from espnet_codecse.audio import audio_info
    from espnet_codecse.codec.resolve import check_num_codebooks, codec_files
    from espnet_codecse.errors import UserError
    from espnet_codecse.fileio import is_up_to_date
    from espnet_codecse.recording.batching import group_by_length

    part, num_parts = args.part
    headers = {utterance: audio_info(path) for utterance, path in paths.items()}
    seconds_of = {utterance: num_samples / rate for utterance, (num_samples, rate, _) in headers.items()}
    # Longest first: memory is at its peak in the first batch, and the last batches are short.
    order = sorted(paths, key=lambda utterance: (-seconds_of[utterance], utterance))
    batches = group_by_length(order, seconds_of, args.batch_seconds, args.segment_seconds)[part - 1 :: num_parts]
    files = {
        utterance: [_output_file(folder, name, utterance) for folder in outputs.values() for name in names]
        for utterance in paths
    }
    sources = [args.model_file] if args.model_file else codec_files(args.codec)
    # A source that is missing makes nothing count as done: loading it then tells what is wrong.
    newest = max((path.stat().st_mtime_ns if path.exists() else sys.maxsize for path in sources), default=0)
    options = [*args.model_option, *([("num_codebooks", args.num_codebooks)] if args.num_codebooks else [])]
    newest = max([newest, *(_options_time(folder, options) for folder in outputs.values())])
    todo = [[key for key in batch if not is_up_to_date(files[key], Path(paths[key]), newest)] for batch in batches]
    skipped = sum(map(len, batches)) - sum(map(len, todo))
    if skipped:
        print(f"part {part}/{num_parts}: {skipped} utterances enhanced before: skipped")
    if not any(todo):
        return
    import torch

    if args.num_threads:
        torch.set_num_threads(args.num_threads)
    enhancer = _build(args)
    if args.num_codebooks:
        check_num_codebooks(enhancer.codec, args.num_codebooks)
        enhancer.num_codebooks = args.num_codebooks
    lengths = {}
    for utterance in (utterance for batch in todo for utterance in batch):
        lengths[utterance], rate, channels = headers[utterance]
        if rate != enhancer.sample_rate or channels != 1:
            raise UserError(
                f"{paths[utterance]}: {channels} channel(s) at {rate} Hz, the model wants 1 at "
                f"{enhancer.sample_rate} Hz; run stage 2 (codecse format) first"
            )
    seconds = sum(lengths[utterance] for batch in todo for utterance in batch) / enhancer.sample_rate
    start = time.perf_counter()
    references = _references(enhancer, args.reference_scp)
    for batch in tqdm([batch for batch in todo if batch], desc="enhancing", unit="batch", disable=None):
        # An oracle is for test sets: it takes any length at once.
        if lengths[batch[0]] > enhancer.segment_samples and not references:
            _enhance_long(enhancer, paths[batch[0]], batch[0], lengths[batch[0]], outputs, names)
        else:
            _enhance_batch(enhancer, paths, batch, outputs, names, references)
    elapsed = time.perf_counter() - start
    factor = elapsed / seconds if seconds else 0.0
    print(f"part {part}/{num_parts}: {seconds:.0f} s of audio in {elapsed:.1f} s, real-time factor {factor:.4f}")


def _options_time(folder: Path, options: list[tuple[str, Any]]) -> int:
    """Return when the model's options of a folder changed last, in ns; 0 where it never had any."""
    import json

    from espnet_codecse.fileio import atomic_path

    file, text = folder / "model_options.json", json.dumps(dict(options), sort_keys=True)
    if not file.is_file() and not options:
        return 0
    if not file.is_file() or file.read_text() != text:
        with atomic_path(file) as temporary:
            temporary.write_text(text)
    return file.stat().st_mtime_ns


def _build(args: argparse.Namespace):
    from espnet_codecse.codec import load_codec
    from espnet_codecse.enh.inference import EmbeddingEnhancer

    if args.train_config is None:
        return EmbeddingEnhancer(load_codec(args.codec, args.device), None, args.layers, args.segment_seconds)
    from espnet_codecse.errors import UserError
    from espnet_codecse.zoo.enhancer import build_enhancer
    from espnet_codecse.zoo.find import ModelFiles

    files = ModelFiles(args.train_config.parent, args.train_config, args.model_file)
    # Figures of a paper are compared to the last digit: no rounding that depends on the machine.
    options = dict(args.model_option)
    enhancer = build_enhancer(files, args.codec, args.device, "float32", args.layers, args.segment_seconds, **options)
    if enhancer.layers != tuple(args.layers):
        raise UserError(f"--layers {' '.join(args.layers)}: this model gives {' '.join(enhancer.layers)}")
    return enhancer


def _references(enhancer, scp: Path | None) -> dict[str, str]:
    """Return the clean speech of every utterance where the model is given it, else nothing."""
    from espnet_codecse.errors import UserError
    from espnet_codecse.fileio import read_scp

    if not getattr(enhancer, "needs_reference", False):
        return {}
    if scp is None:
        raise UserError("--reference_scp: missing; this model is given the features of clean speech")
    return read_scp(scp)


def _enhance_batch(
    enhancer,
    paths: dict[str, str],
    batch: list[str],
    outputs: dict[str, Path],
    names: list[str],
    references: dict[str, str],
) -> None:
    from espnet_codecse.audio import read_audio, write_audio

    def read(table: dict[str, str]) -> list:
        return [read_audio(table[utterance])[0][:, 0] for utterance in batch]

    given = {"references": read(references)} if references else {}
    results = enhancer.enhance_batch(read(paths), **given)
    for utterance, result in zip(batch, results):
        for layer, waveforms in result.items():
            for name, samples in zip(names, waveforms):
                file = _output_file(outputs[layer], name, utterance)
                write_audio(file, samples.clip(-1.0, 1.0), enhancer.sample_rate)


def _enhance_long(
    enhancer, path: str, utterance: str, num_samples: int, outputs: dict[str, Path], names: list[str]
) -> None:
    """Enhance a long recording with constant memory, writing as it goes."""
    from contextlib import ExitStack

    import soundfile

    from espnet_codecse.audio import read_audio
    from espnet_codecse.fileio import atomic_path

    with ExitStack() as stack:
        writers = {}
        for layer, folder in outputs.items():
            for name in names:
                file = stack.enter_context(atomic_path(_output_file(folder, name, utterance)))
                writers[layer, name] = stack.enter_context(
                    soundfile.SoundFile(file, "w", enhancer.sample_rate, 1, subtype="PCM_16")
                )
        pieces = enhancer.enhance_long(lambda start, count: read_audio(path, start, count)[0][:, 0], num_samples)
        for piece in pieces:
            for layer, waveforms in piece.items():
                for name, samples in zip(names, waveforms):
                    writers[layer, name].write(samples.clip(-1.0, 1.0))


if __name__ == "__main__":
    main()

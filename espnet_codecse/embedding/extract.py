"""Extraction of codec embeddings: parallel, resumable, each part written whole or not at all.

What else turns recordings into frames is extracted in the same way: the name of a function says how to load it.
"""

import importlib
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from espnet_codecse.audio import read_audio, resample
from espnet_codecse.embedding.ark import write_ark
from espnet_codecse.embedding.description import COMPRESSIONS, EmbeddingDescription, check_codec, write_description
from espnet_codecse.embedding.long import SpooledMatrix, encode_long, encodes_long
from espnet_codecse.embedding.parts import (
    PART_SECONDS,
    ExtractionPart,
    SourceFile,
    make_plan,
    read_marker,
    write_marker,
)
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import make_folder, write_scp
from espnet_codecse.job.array import Share, Submit
from espnet_codecse.job.pool import map_unordered
from espnet_codecse.job.resources import num_cores
from espnet_codecse.level import LevelRule, scaled

_WORKER: dict[str, Any] = {}  # codec and settings of this process
CODEC = "espnet_codecse.codec:load_codec"


def load_encoder(loader: str, name: str, device: str, codec_dtype: str) -> Any:
    """Call ``loader`` (``module:function``) with a name and a device, and :data:`CODEC` with a data type.

    Returns:
        An object with the attributes of :class:`EmbeddingDescription` and the codecs' ``num_frames`` and ``encode``.
        With ``at_peak_of_mixture`` it gets recordings as loud as makes their mixture's largest sample 1.
    """
    module, function = loader.split(":")
    options = {"dtype": codec_dtype} if loader == CODEC else {}
    return getattr(importlib.import_module(module), function)(name, device=device, **options)


def make_batches(
    recordings: tuple[SourceFile, ...], batch_size: int, max_batch_seconds: float
) -> Iterator[list[SourceFile]]:
    """Group recordings that are sorted by length; padded, a batch of several holds at most ``max_batch_seconds``."""
    batch: list[SourceFile] = []
    for recording in recordings:
        if batch and (len(batch) == batch_size or (len(batch) + 1) * recording.seconds > max_batch_seconds):
            yield batch
            batch = []
        batch.append(recording)
    if batch:
        yield batch


def start_worker(
    loader: str, codec: str, codec_dtype: str, device: str, threads: int, settings: dict[str, Any]
) -> None:
    """Load the codec once per process; with several GPUs each process takes another one."""
    import multiprocessing

    import torch

    torch.set_num_threads(threads)
    if device == "cuda" and torch.cuda.device_count() > 1:
        identity = multiprocessing.current_process()._identity
        device = f"cuda:{(identity[0] if identity else 0) % torch.cuda.device_count()}"
    _WORKER.update(settings, codec=load_encoder(loader, codec, device, codec_dtype), device=device)


def read_recording(recording: SourceFile, sample_rate: int) -> np.ndarray:
    """Read one channel ``(num_samples,)`` at ``sample_rate`` (Hz) and at the level that the recording asks for.

    Raises:
        UserError: unreadable, empty, or more than one channel.
    """
    samples, rate = read_audio(recording.path)
    if samples.shape[1] != 1:
        raise UserError(f"{recording.path}: has {samples.shape[1]} channels; write a single channel (stage 2)")
    if not len(samples):
        raise UserError(f"{recording.path}: holds no samples; remove it from the lists (stage 2)")
    speech = resample(samples[:, 0], rate, sample_rate)
    if recording.loudest is None:
        return speech
    if recording.loudest == recording.path:
        return scaled(speech, speech, recording.peak)
    samples, rate = read_audio(recording.loudest)
    return scaled(speech, resample(samples[:, 0], rate, sample_rate), recording.peak)


def encode_batch(
    codec: Any, speech: list[np.ndarray], layer: str, device: str, num_codebooks: int | None = None
) -> list[np.ndarray]:
    """Encode recordings ``(num_samples,)`` together; halves the batch when the GPU's memory does not hold it.

    Returns:
        For each ``(frame, channel)`` float32, or for the layer ``codes`` ``(codebook, frame)`` int32.
    """
    import torch

    lengths = [len(samples) for samples in speech]
    padded = np.zeros((len(speech), max(lengths)), dtype=np.float32)
    for row, samples in zip(padded, speech):
        row[: len(samples)] = samples
    try:
        with torch.inference_mode():
            batch = torch.from_numpy(padded).to(device), torch.tensor(lengths).to(device)
            embedding, frame_lengths = codec.encode(*batch)
            if layer == "continuous":
                output = embedding
            else:
                quantized, codes = codec.quantize(embedding, frame_lengths, num_codebooks)
                output = quantized if layer == "quantized" else codes.transpose(1, 2)
    except torch.cuda.OutOfMemoryError:
        if len(speech) == 1:
            raise UserError("the GPU's memory does not hold one recording; use --device cpu") from None
        half = len(speech) // 2
        halves = (speech[:half], speech[half:])
        return [array for part in halves for array in encode_batch(codec, part, layer, device, num_codebooks)]
    arrays = [item[:length].cpu().numpy() for item, length in zip(output, frame_lengths.tolist())]
    return [array.T.astype(np.int32) if layer == "codes" else array.astype(np.float32) for array in arrays]


def _encode(
    codec: Any, batch: list[SourceFile], layer: str, folder: Path
) -> list[np.ndarray] | list[np.ndarray | SpooledMatrix]:
    """Encode a batch with the settings of this process; ``folder`` takes temporary files."""
    num_codebooks = _WORKER["num_codebooks"]
    # Longer recordings are batches of their own; see make_batches.
    too_long = batch[0].seconds > _WORKER["max_batch_seconds"]
    if too_long and encodes_long(codec) and batch[0].loudest is None:
        return [encode_long(codec, batch[0], layer, num_codebooks, folder)]
    speech = [read_recording(recording, codec.sample_rate) for recording in batch]
    return encode_batch(codec, speech, layer, _WORKER["device"], num_codebooks)


def extract_part(part: ExtractionPart) -> float:
    """Encode and write one part; return its seconds of audio."""
    codec, layer = _WORKER["codec"], _WORKER["layer"]
    num_frames: dict[str, int] = {}
    num_codebooks = [0]

    def _arrays() -> Iterator[tuple[str, np.ndarray | SpooledMatrix]]:
        for batch in make_batches(part.recordings, _WORKER["batch_size"], _WORKER["max_batch_seconds"]):
            for recording, array in zip(batch, _encode(codec, batch, layer, part.ark.parent)):
                if layer == "codes":
                    assert isinstance(array, np.ndarray)
                    num_codebooks[0], num_frames[recording.id] = array.shape
                    array = array.reshape(-1)
                else:
                    num_frames[recording.id] = len(array)
                yield recording.id, array

    part.marker.unlink(missing_ok=True)
    offsets = write_ark(part.ark, _arrays(), _WORKER["compression"])
    write_marker(part, offsets, num_frames, num_codebooks[0])
    return part.seconds


def estimate_bytes(codec: Any, description: EmbeddingDescription, parts: list[ExtractionPart]) -> int:
    """Disk that ``parts`` will take, in bytes."""
    per_frame = description.dim * (2 if description.compression == "3" else 4)
    if description.layer == "codes":
        # Kaldi writes a size byte before every integer.
        per_frame = (description.num_codebooks or codec.num_codebooks) * 5
    recordings = [recording for part in parts for recording in part.recordings]
    frames = sum(codec.num_frames(round(recording.seconds * codec.sample_rate)) for recording in recordings)
    return frames * per_frame + sum(len(recording.id) + 200 for recording in recordings)


def check_disk(out_dir: Path, need: int) -> None:
    """Print the need and refuse when there is less.

    Raises:
        UserError: less disk is free than needed.
    """
    free = shutil.disk_usage(out_dir).free
    print(f"extract: needs {_size(need)} of disk, {_size(free)} are free", file=sys.stderr)
    if need > free:
        raise UserError(
            f"{out_dir}: needs {_size(need)} but only {_size(free)} are free; free some space, choose another folder, "
            "or use a smaller set, --compression 3 or --layer codes"
        )


def _size(num_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} GB"


def extract(
    codec_name: str,
    data_dir: Path,
    out_dir: Path,
    layer: str = "continuous",
    compression: str = "3",
    nj: int = 1,
    batch_size: int = 16,
    max_batch_seconds: float = 60.0,
    device: str = "cpu",
    with_noise: bool = False,
    part_seconds: float = PART_SECONDS,
    share: Share | None = None,
    submit: Submit | None = None,
    only_mixtures: bool = False,
    loader: str = CODEC,
    num_codebooks: int | None = None,
    levels: LevelRule | None = None,
    codec_dtype: str = "float32",
) -> int:
    """Write the embeddings of a data directory; a second run does only what is missing or has changed.

    One extraction at a time may write to ``out_dir``, or several with a ``share`` each.

    Args:
        codec_name: name or folder of the codec.
        data_dir: data directory with wav.scp, spk1.scp, ...
        out_dir: gets the lists, ``codec.yaml`` and ``parts/``.
        layer: ``continuous``, ``quantized`` or ``codes``.
        compression: ``3`` (two bytes per value) or ``none`` (float32).
        nj: processes, each with its own codec.
        batch_size: recordings in a batch at most.
        max_batch_seconds: padded audio of a batch in seconds at most; a longer recording is a batch of its own.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        with_noise: also extract the noise lists.
        part_seconds: audio in an ark in seconds.
        share: ``(k, n)`` makes the k-th of n shares of the arks only, and no lists.
        submit: runs all shares as jobs before.
        only_mixtures: leave the references out.
        loader: what loads ``codec_name``; see :func:`load_encoder`.
        num_codebooks: how many of the codec's first codebooks the layers ``quantized`` and ``codes`` use; None: all.
        levels: scale recordings to these levels before encoding; None: encode them as they are.
        codec_dtype: data type of the codec's matrix products; see :func:`espnet_codecse.codec.load_codec`.

    Returns:
        Number of utterances in the lists; 0 with ``share``.

    Raises:
        UserError: another codec's embeddings are in ``out_dir``, too little disk, or unusable input.
    """
    if submit is not None:
        device = "cpu"  # the jobs' machines have the GPUs
    if codec_dtype == "auto" and not device.startswith("cpu"):
        codec_dtype = "float32"  # also where the codec is only loaded on the CPU to be described
    codec = load_encoder(loader, codec_name, "cpu" if nj > 1 else device, codec_dtype)
    description = EmbeddingDescription.of(codec, layer, compression, num_codebooks, levels)
    if num_codebooks is not None:
        from espnet_codecse.codec.resolve import check_num_codebooks

        check_num_codebooks(codec, num_codebooks)
    if (out_dir / "codec.yaml").is_file():
        stored = check_codec(out_dir, codec)
        if stored.layer != layer:
            raise UserError(f"{out_dir / 'codec.yaml'}: holds another layer than '{layer}'; choose another folder")
        if stored.num_codebooks != num_codebooks:
            raise UserError(f"{out_dir / 'codec.yaml'}: made with another --num_codebooks; choose another folder")
        if stored.levels != levels:
            raise UserError(
                f"{out_dir / 'codec.yaml'}: made with another --peak or --reference_peak; choose another folder"
            )
    if getattr(codec, "at_peak_of_mixture", False):
        levels = LevelRule(1.0)
    parts = make_plan(data_dir, out_dir, description, with_noise, part_seconds, only_mixtures, levels)
    if share is not None:
        parts = parts[share[0] - 1 :: share[1]]
    missing = [part for part in parts if read_marker(part) is None]
    if len(missing) < len(parts):
        print(f"extract: {len(parts) - len(missing)} of {len(parts)} parts skipped (already done)", file=sys.stderr)
    if missing:
        make_folder(out_dir / "parts")
        if share is None and submit is None:
            _remove_leftovers(out_dir)
        check_disk(out_dir, estimate_bytes(codec, description, missing))
        write_description(out_dir, description)
        if submit is not None:
            submit(len(parts))
            _remove_leftovers(out_dir)
            missing = [part for part in missing if read_marker(part) is None]
    if missing:
        settings = {
            "layer": layer,
            "compression": COMPRESSIONS[description.compression],
            "batch_size": batch_size,
            "max_batch_seconds": max_batch_seconds,
            "num_codebooks": num_codebooks,
        }
        _run(missing, codec, (loader, codec_name, codec_dtype), device, min(nj, len(missing)), settings)
    if share is not None:
        return 0
    num_utterances = merge(parts, out_dir, description)
    print(f"extract: {num_utterances} utterances are in {out_dir}", file=sys.stderr)
    return num_utterances


def _remove_leftovers(out_dir: Path) -> None:
    """Remove what processes that were killed while writing have left; none may be at work."""
    for leftover in (out_dir / "parts").glob(".emb_*"):
        leftover.unlink()


def _run(
    parts: list[ExtractionPart],
    codec: Any,
    source: tuple[str, str, str],
    device: str,
    nj: int,
    settings: dict[str, Any],
) -> None:
    threads = max(1, num_cores() // nj)
    results: Iterable[float]
    if nj <= 1:
        _WORKER.update(settings, codec=codec, device=device)
        results = map(extract_part, parts)
    else:
        results = map_unordered(extract_part, parts, nj, threads, start_worker, (*source, device, threads, settings))
    start, done, total = time.monotonic(), 0.0, sum(part.seconds for part in parts)
    for number, seconds in enumerate(results, 1):
        done += seconds
        factor = (time.monotonic() - start) / max(done, 1e-9)
        print(
            f"extract: {number} of {len(parts)} parts, {done / 60:.1f} of {total / 60:.1f} min of audio, "
            f"real-time factor {factor:.4f}, {factor * (total - done):.0f} s left",
            file=sys.stderr,
            flush=True,
        )


def merge(parts: list[ExtractionPart], out_dir: Path, description: EmbeddingDescription) -> int:
    """Write the lists of all streams from the markers; return the number of utterances.

    Raises:
        UserError: a part is missing, or the streams have different lengths.
    """
    streams: dict[str, dict[str, str]] = {}
    num_frames: dict[str, int] = {}
    num_codebooks: dict[str, int] = {}
    for part in parts:
        marker = read_marker(part)
        if marker is None or set(marker["utterances"]) != {recording.id for recording in part.recordings}:
            raise UserError(f"{part.ark}: not complete; run the same command again, only what is missing is made")
        scp = streams.setdefault(part.ark.name.split(".")[0], {})
        for utterance, (offset, frames) in marker["utterances"].items():
            scp[utterance] = f"{part.ark}:{offset}"
            if num_frames.setdefault(utterance, frames) != frames:
                raise UserError(
                    f"{part.ark}: '{utterance}' has {frames} frames but {num_frames[utterance]} in another stream; "
                    "mixture and reference must have the same length, check the data directory (stage 2)"
                )
            num_codebooks[utterance] = marker["num_codebooks"]
    for stream, scp in streams.items():
        write_scp(out_dir / f"{stream}.scp", scp)
    write_scp(out_dir / "utt2num_frames", num_frames)
    if description.layer == "codes":
        write_scp(out_dir / "utt2num_codebooks", num_codebooks)
    return len(num_frames)

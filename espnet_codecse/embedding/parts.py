"""What an extraction has to do: parts of bounded size, and which of them are done."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from espnet_codecse.audio import audio_info
from espnet_codecse.corpus.segments import NAME as SEGMENTS
from espnet_codecse.embedding.description import EmbeddingDescription
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, read_counts, read_scp
from espnet_codecse.identity import file_state
from espnet_codecse.level import LevelRule

PART_SECONDS = 300.0
MAX_PARTS = 500  # per stream: a large set gets larger parts instead of thousands of files, up to this size
LARGEST_PART = 4e9  # bytes; what is done anew after an interruption


@dataclass(frozen=True)
class SourceFile:
    """One file to encode; ``seconds`` is for ordering and estimates only.

    Attributes:
        loudest: recording whose largest sample is brought to ``peak``, and this one along with it; None: as it is.
        peak: see ``loudest``.
    """

    id: str
    path: str
    seconds: float
    loudest: str | None = None
    peak: float = 1.0


@dataclass(frozen=True)
class ExtractionPart:
    """Recordings of similar length that share one ark.

    Attributes:
        ark: where it goes; ``<ark without suffix>.done`` is its marker.
        recordings: sorted by length.
        hash: hash of the codec, the layout and the files; a marker with another one does not count.
    """

    ark: Path
    recordings: tuple[SourceFile, ...]
    hash: str

    @property
    def marker(self) -> Path:
        """The done marker."""
        return self.ark.with_suffix(".done")

    @property
    def seconds(self) -> float:
        """Audio of the part in seconds."""
        return sum(recording.seconds for recording in self.recordings)


def list_streams(data_dir: Path, with_noise: bool) -> dict[str, str]:
    """Return ``{stream: scp name}``: ``mix`` of wav.scp, ``ref<n>`` of spk<n>.scp, ``noise<n>`` of noise<n>.scp.

    Raises:
        UserError: there is no wav.scp, or noise is asked for and not there.
    """
    if not (data_dir / "wav.scp").is_file():
        raise UserError(f"{data_dir / 'wav.scp'}: no such file; give a data directory as stages 1 and 2 write it")
    streams = {"mix": "wav.scp"}
    for prefix, stream in [("spk", "ref")] + ([("noise", "noise")] if with_noise else []):
        number = 1
        while (data_dir / f"{prefix}{number}.scp").is_file():
            streams[f"{stream}{number}"] = f"{prefix}{number}.scp"
            number += 1
    if with_noise and "noise1" not in streams:
        raise UserError(f"{data_dir / 'noise1.scp'}: no such file; leave --noise out or prepare the noise lists")
    return streams


def _seconds(data_dir: Path, paths: dict[str, str]) -> dict[str, float]:
    """Length of each recording in seconds, from utt2num_samples where it tells, else from the headers."""
    samples, rates = (
        read_counts(data_dir / name) if (data_dir / name).is_file() else {} for name in ("utt2num_samples", "utt2fs")
    )
    seconds = {}
    for utterance, path in paths.items():
        if utterance in samples and rates.get(utterance):
            seconds[utterance] = samples[utterance] / rates[utterance]
        else:
            num_samples, rate, _ = audio_info(path)
            seconds[utterance] = num_samples / rate
    return seconds


def make_plan(
    data_dir: Path,
    out_dir: Path,
    description: EmbeddingDescription,
    with_noise: bool,
    part_seconds: float = PART_SECONDS,
    only_mixtures: bool = False,
    levels: LevelRule | None = None,
) -> list[ExtractionPart]:
    """Divide all streams into parts; the division depends on the data alone, not on the number of jobs.

    Args:
        data_dir: data directory.
        out_dir: folder of embeddings; the arks go to its ``parts``.
        description: what is going to be written.
        with_noise: also take the noise lists.
        part_seconds: audio in a part, in seconds (more for very large sets).
        only_mixtures: leave the references out.
        levels: scale recordings to these levels; None: leave them as they are.

    Raises:
        UserError: the directory has segments, a list is missing or empty, a file is missing, or the lists hold
            different utterances.
    """
    if (data_dir / SEGMENTS).is_file():
        raise UserError(f"{data_dir}: has {SEGMENTS}; cut the recordings first, with codecse format (stage 2)")
    parts: list[ExtractionPart] = []
    seconds: dict[str, float] = {}
    mixtures = read_scp(data_dir / "wav.scp")
    for stream, name in list_streams(data_dir, with_noise).items():
        if only_mixtures and stream != "mix":
            continue
        paths = read_scp(data_dir / name)
        if not paths:
            raise UserError(f"{data_dir / name}: the list is empty; nothing to extract")
        seconds = seconds or _seconds(data_dir, paths)
        different = sorted(set(paths) ^ set(seconds))
        if different:
            raise UserError(
                f"{data_dir / name}: {len(different)} utterances differ from wav.scp, the first is '{different[0]}'; "
                "check the data directory (stage 2)"
            )
        order = sorted(paths, key=lambda key: (seconds[key], key))
        recordings = [SourceFile(key, paths[key], seconds[key]) for key in order]
        if levels is not None:
            loudest, peak = mixtures, levels.peak
            if stream != "mix" and levels.reference_peak is not None:
                loudest, peak = paths, levels.reference_peak
            recordings = [replace(recording, loudest=loudest[recording.id], peak=peak) for recording in recordings]
        limit = max(part_seconds, min(sum(seconds.values()) / MAX_PARTS, LARGEST_PART / description.bytes_per_second))
        current: list[SourceFile] = []
        groups, filled = [current], 0.0
        for recording in recordings:
            if current and filled + recording.seconds > limit:
                current, filled = [], 0.0
                groups.append(current)
            current.append(recording)
            filled += recording.seconds
        for number, group in enumerate(groups, 1):
            ark = out_dir / "parts" / f"emb_{stream}.{number}.ark"
            parts.append(ExtractionPart(ark, tuple(group), _hash(group, description)))
    return parts


def _hash(recordings: list[SourceFile], description: EmbeddingDescription) -> str:
    # The fingerprint says which codec it is; embeddings that it made with another data type are its own too.
    layout = {**description.fields(), "version": None, "codec": None}
    del layout["codec_dtype"]
    digest = hashlib.sha256(json.dumps(layout).encode())
    for recording in recordings:
        for path in filter(None, (recording.path, recording.loudest)):
            try:
                state = file_state(path)
            except OSError:
                raise UserError(f"{path}: no such audio file ('{recording.id}'); check the path") from None
            digest.update(f"{recording.id}\0{path}\0{state}\0".encode())
    return digest.hexdigest()


def write_marker(part: ExtractionPart, offsets: dict[str, int], num_frames: dict[str, int], num_codebooks: int) -> None:
    """Record what a finished part holds."""
    document = {
        "hash": part.hash,
        "bytes": part.ark.stat().st_size,
        "num_codebooks": num_codebooks,
        "utterances": {key: [offset, num_frames[key]] for key, offset in offsets.items()},
    }
    with atomic_path(part.marker) as temporary:
        temporary.write_text(json.dumps(document), encoding="utf-8")


def read_marker(part: ExtractionPart) -> dict | None:
    """The marker of a part that is complete and up to date, else None."""
    try:
        document = json.loads(part.marker.read_text(encoding="utf-8"))
        whole = document["hash"] == part.hash and document["bytes"] == part.ark.stat().st_size
        places: dict[str, list[int]] = document["utterances"]
        whole = whole and places.keys() == {recording.id for recording in part.recordings}
        numbers = [number for place in places.values() for number in place] + [document["num_codebooks"]]
        plain = len(numbers) == 2 * len(places) + 1 and all(type(n) is int and n >= 0 for n in numbers)
        return document if whole and plain else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None

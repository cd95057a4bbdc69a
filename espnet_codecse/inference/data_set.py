"""Enhance a data directory: short utterances in batches, long ones in segments; finished outputs are skipped."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import soundfile

from espnet_codecse.audio import audio_info, read_audio, write_audio
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, is_up_to_date, write_scp
from espnet_codecse.inference.abs_enhancer import AbsEnhancer
from espnet_codecse.inference.batching import group_by_length


@dataclass(frozen=True)
class OutputFolders:
    """Output folders of a data set.

    Attributes:
        folders: one folder per layer.
        names: names of the outputs of a layer, such as ``spk1``.
    """

    folders: Mapping[str, Path]
    names: Sequence[str]

    def file(self, layer: str, name: str, utterance: str) -> Path:
        """Return the file of one output; the folder of a speaker is its number, as in ESPnet."""
        return self._file(self.folders[layer], name, utterance)

    def files(self, utterance: str) -> list[Path]:
        """Return all files of an utterance."""
        return [self._file(folder, name, utterance) for folder in self.folders.values() for name in self.names]

    def collect(self, utterances: Sequence[str]) -> None:
        """Write ``spk1.scp``, ... into each folder.

        Raises:
            UserError: an output is missing.
        """
        for folder in self.folders.values():
            for name in self.names:
                files = {utterance: self._file(folder, name, utterance) for utterance in utterances}
                missing = [utterance for utterance, file in files.items() if not file.is_file()]
                if missing:
                    raise UserError(
                        f"{folder}: {len(missing)} of {len(files)} outputs missing, the first is {missing[0]}; "
                        "run the same stage again to resume"
                    )
                write_scp(folder / f"{name}.scp", {key: file.resolve() for key, file in files.items()})

    @staticmethod
    def _file(folder: Path, name: str, utterance: str) -> Path:
        return folder / "wavs" / name.removeprefix("spk") / f"{utterance}.flac"


class DataSet:
    """One part of a list of recordings, in batches.

    Args:
        paths: ``{utterance: file}``, mono and at the sample rate of the system.
        share: ``(k, n)``: use the k-th of n parts of the batches.
        batch_seconds: padded seconds per batch.
        segment_seconds: longer recordings form their own batch.

    Attributes:
        batches: utterances, the longest first, so that memory peaks in the first batch and the last ones are short.

    Raises:
        UserError: a file is unreadable.
    """

    def __init__(self, paths: Mapping[str, str], share: tuple[int, int], batch_seconds: float, segment_seconds: float):
        self.paths = paths
        self._headers = {utterance: audio_info(path) for utterance, path in paths.items()}
        seconds = {utterance: num_samples / rate for utterance, (num_samples, rate, _) in self._headers.items()}
        order = sorted(paths, key=lambda utterance: (-seconds[utterance], utterance))
        part, num_parts = share
        self.batches = group_by_length(order, seconds, batch_seconds, segment_seconds)[part - 1 :: num_parts]

    def drop_done(self, outputs: OutputFolders, newest_source: int) -> int:
        """Drop utterances whose outputs are done, and return their number.

        Args:
            outputs: the output folders.
            newest_source: time of the last change of the model or its options, ns; older outputs are made again.
        """
        before = sum(map(len, self.batches))
        todo = [
            [key for key in batch if not is_up_to_date(outputs.files(key), Path(self.paths[key]), newest_source)]
            for batch in self.batches
        ]
        self.batches = [batch for batch in todo if batch]
        return before - sum(map(len, self.batches))

    def num_samples(self) -> int:
        """Return the number of samples in all batches."""
        return sum(self._headers[utterance][0] for batch in self.batches for utterance in batch)

    def enhance(
        self, enhancer: AbsEnhancer, outputs: OutputFolders, references: Mapping[str, str] | None = None
    ) -> Iterator[None]:
        """Enhance batch by batch; each output appears under its final name when it is complete.

        Args:
            enhancer: the system.
            outputs: the output folders.
            references: ``{utterance: clean speech}`` for a system that needs it; such recordings are never split into
                segments, since oracles only process test sets.

        Yields:
            None after each batch.

        Raises:
            UserError: a recording has a different sample rate or several channels.
        """
        for utterance in (utterance for batch in self.batches for utterance in batch):
            _, rate, channels = self._headers[utterance]
            if rate != enhancer.sample_rate or channels != 1:
                raise UserError(
                    f"{self.paths[utterance]}: {channels} channel(s) at {rate} Hz, but the model needs 1 at "
                    f"{enhancer.sample_rate} Hz; run stage 2 (codecse format) first"
                )
        for batch in self.batches:
            if self._headers[batch[0]][0] > enhancer.segment_samples and references is None:
                self._enhance_long(enhancer, batch[0], outputs)
            else:
                self._enhance_batch(enhancer, batch, outputs, references)
            yield

    def _enhance_batch(
        self, enhancer: AbsEnhancer, batch: Sequence[str], outputs: OutputFolders, references: Mapping[str, str] | None
    ) -> None:
        speech = [_read(self.paths[utterance]) for utterance in batch]
        clean = None if references is None else [_read(references[utterance]) for utterance in batch]
        for utterance, result in zip(batch, enhancer.enhance_batch(speech, references=clean)):
            for layer, waveforms in result.items():
                for name, samples in zip(outputs.names, waveforms):
                    write_audio(outputs.file(layer, name, utterance), samples.clip(-1.0, 1.0), enhancer.sample_rate)

    def _enhance_long(self, enhancer: AbsEnhancer, utterance: str, outputs: OutputFolders) -> None:
        """Enhance a long recording in bounded memory, writing segment by segment."""
        path = self.paths[utterance]
        with ExitStack() as stack:
            writers = {}
            for layer in outputs.folders:
                for name in outputs.names:
                    file = stack.enter_context(atomic_path(outputs.file(layer, name, utterance)))
                    writers[layer, name] = stack.enter_context(
                        soundfile.SoundFile(file, "w", enhancer.sample_rate, 1, subtype="PCM_16")
                    )
            num_samples = self._headers[utterance][0]
            for piece in enhancer.enhance_long(lambda start, count: _read(path, start, count), num_samples):
                for layer, waveforms in piece.items():
                    for name, samples in zip(outputs.names, waveforms):
                        writers[layer, name].write(samples.clip(-1.0, 1.0))


def newest_change(files: Sequence[Path]) -> int:
    """Return the time of the newest change of ``files``, ns.

    If a file is missing, nothing counts as done, and loading the file reports the error.
    """
    return max((path.stat().st_mtime_ns if path.exists() else sys.maxsize for path in files), default=0)


def _read(path: str, start: int = 0, count: int = -1):
    """Return samples ``(count,)`` of a mono file."""
    return read_audio(path, start, count)[0][:, 0]

"""Enhance a data directory: short utterances in batches, long ones in segments; finished outputs are skipped."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import soundfile

from espnet_codecse.audio import audio_info, read_audio, write_audio
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, make_folder, remove_temporary, write_scp
from espnet_codecse.identity import Ledger, file_state, hash_of
from espnet_codecse.inference.abs_enhancer import AbsEnhancer
from espnet_codecse.inference.batching import LEAST_SECONDS, group_by_length


class OutputFolders:
    """Output folders of a data set.

    Args:
        folders: one folder per layer.
        names: names of the outputs of a layer, such as ``spk1``.
    """

    def __init__(self, folders: Mapping[str, Path], names: Sequence[str]):
        self.folders, self.names = folders, names
        self._ledgers: dict[str, Ledger] = {}

    def open(self, part: int) -> None:
        """Read which outputs are done, and open the record of this process, number ``part`` of several."""
        for layer, folder in self.folders.items():
            make_folder(folder)
            self._ledgers[layer] = Ledger(folder, f"{self.names[0]}.{part}")

    def is_done(self, utterance: str, made_of: str) -> bool:
        """Return whether all outputs of an utterance exist and were made from the same inputs."""
        return all(
            ledger.is_done(
                self._entry(utterance), f"{layer} {made_of}", [self.file(layer, name, utterance) for name in self.names]
            )
            for layer, ledger in self._ledgers.items()
        )

    def add_done(self, made_of: Mapping[str, str]) -> None:
        """Record finished utterances ``{utterance: hash of the inputs}``."""
        for layer, ledger in self._ledgers.items():
            ledger.add({self._entry(key): f"{layer} {value}" for key, value in made_of.items()})

    def _entry(self, utterance: str) -> str:
        return f"{self.names[0]} {utterance}"

    def file(self, layer: str, name: str, utterance: str) -> Path:
        """Return the file of one output; the folder of a speaker is its number, as in ESPnet."""
        return self._file(self.folders[layer], name, utterance)

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
            Each utterance counts as ``LEAST_SECONDS`` at least.

    Raises:
        UserError: a file is unreadable.
    """

    def __init__(self, paths: Mapping[str, str], share: tuple[int, int], batch_seconds: float, segment_seconds: float):
        self.paths = paths
        self._made_of: dict[str, str] = {}
        self._headers = {utterance: audio_info(path) for utterance, path in paths.items()}
        seconds = {
            utterance: max(num_samples / rate, LEAST_SECONDS)
            for utterance, (num_samples, rate, _) in self._headers.items()
        }
        order = sorted(paths, key=lambda utterance: (-seconds[utterance], utterance))
        part, num_parts = share
        self.batches = group_by_length(order, seconds, batch_seconds, segment_seconds)[part - 1 :: num_parts]

    def drop_done(self, outputs: OutputFolders, settings: Any, references: Mapping[str, str] | None = None) -> int:
        """Drop utterances whose outputs were made from the same inputs, and return their number.

        Args:
            outputs: the output folders.
            settings: everything that the outputs depend on apart from the recordings; JSON-serialisable.
            references: ``{utterance: clean speech}`` for a system that needs it.
        """
        for utterance in (utterance for batch in self.batches for utterance in batch):
            # A missing reference is an error only if the system needs it, which is when it is read.
            sources = [self.paths[utterance], (references or {}).get(utterance)]
            states = [file_state(source) for source in sources if source and Path(source).is_file()]
            self._made_of[utterance] = hash_of([settings, states])
        remove_temporary(
            outputs.file(layer, name, utterance)
            for layer in outputs.folders
            for name in outputs.names
            for utterance in self._made_of
        )
        before = sum(map(len, self.batches))
        todo = [[key for key in batch if not outputs.is_done(key, self._made_of[key])] for batch in self.batches]
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
            outputs.add_done({utterance: self._made_of.get(utterance, "") for utterance in batch})
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


def _read(path: str, start: int = 0, count: int = -1):
    """Return samples ``(count,)`` of a mono file."""
    return read_audio(path, start, count)[0][:, 0]

"""Audio of an utterance on the page: the mixture, the output of every system, and the clean references."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp
from espnet_codecse.report.experiments import CEILING, CLEAN, CODEC, EXPERIMENT, NOISY
from espnet_codecse.report.scores import Row

_ORDER = (NOISY, CODEC, EXPERIMENT, CEILING)


@dataclass(frozen=True)
class Version:
    """One version of an utterance.

    Attributes:
        label: ``noisy``, ``clean`` or the system's name.
        system: index of its row; None if it has no row.
        paths: one audio file per speaker, in the system's own order; a single file is used for all speakers.
    """

    label: str
    system: int | None
    paths: tuple[str, ...]


def _tables(folder: Path) -> list[dict[str, str]]:
    """Read ``spk1.scp, spk2.scp, ...`` of a folder, or its ``wav.scp``; the result is empty if it has neither."""
    tables: list[dict[str, str]] = []
    while (folder / f"spk{len(tables) + 1}.scp").is_file():
        tables.append(read_scp(folder / f"spk{len(tables) + 1}.scp"))
    if not tables and (folder / "wav.scp").is_file():
        tables = [read_scp(folder / "wav.scp")]
    return tables


class AudioOfSet:
    """The lists of audio of all rows of a test set.

    Args:
        rows: ``{index: row}`` of one set; their first data directory provides mixtures and references.
        names: names of the systems, by index.

    Attributes:
        without_audio: labels of rows without lists of audio next to their scores.
    """

    def __init__(self, rows: Mapping[int, Row], names: Mapping[int, str]):
        self.without_audio: list[str] = []
        systems: list[tuple[str, int, list[dict[str, str]]]] = []
        folders = set()
        for index, row in rows.items():
            folder = row.output.folder.resolve().parent
            if folder in folders:
                continue  # the same audio, scored against another reference
            folders.add(folder)
            tables = _tables(folder)
            if tables:
                systems.append((names[index], index, tables))
            else:
                self.without_audio.append(f"{row.section}, {row.label}")
        systems.sort(key=lambda system: _ORDER.index(rows[system[1]].output.kind))
        self._systems: list[tuple[str, int | None, list[dict[str, str]]]] = [*systems]
        data_dir = next((row.output.data_dir for row in rows.values() if row.output.data_dir), None)
        self._references: list[dict[str, str]] = []
        if data_dir:
            self._references = _tables(data_dir) if (data_dir / "spk1.scp").is_file() else []
            has_mixture = any(rows[index].output.kind == NOISY for _, index, _ in systems)
            if not has_mixture and (data_dir / "wav.scp").is_file():
                self._systems.insert(0, (NOISY, None, [read_scp(data_dir / "wav.scp")]))

    @property
    def num_speakers(self) -> int:
        """Number of speakers that can be heard separately."""
        return max([1, len(self._references), *(len(tables) for _, _, tables in self._systems)])

    def versions(self, utterance: str) -> list[Version]:
        """Return the versions of one utterance, with the clean reference last.

        Raises:
            UserError: an audio file of a list does not exist.
        """
        versions = []
        for label, index, tables in [*self._systems, (CLEAN, None, self._references)]:
            paths = tuple(table[utterance] for table in tables if utterance in table)
            if paths and len(paths) == len(tables):
                versions.append(Version(label, index, paths))
        for version in versions:
            for path in version.paths:
                if not Path(path).is_file():
                    raise UserError(f"{path}: no such audio file ({version.label} of {utterance}); run stage 6 again")
        return versions

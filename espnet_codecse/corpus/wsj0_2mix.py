"""WSJ0-2mix (Hershey et al., ICASSP 2016): an existing tree, or raw WSJ0 and the published lists, to data directories.

A tree is ``[2speakers/]wav{8k,16k}/{min,max}/{tr,cv,tt}/{mix,s1,s2}/<mixture>.wav``, as create-speaker-mixtures
(MATLAB) and pywsj0-mix write it. A list ``mix_2_spk_{tr,cv,tt}.txt`` has lines ``<file> <dB> <file> <dB>`` with
files such as ``wsj0/si_tr_s/01t/01to030v.wav``.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from espnet_codecse.corpus.location import check_count
from espnet_codecse.corpus.parallel import run_parts
from espnet_codecse.corpus.prepared_set import Rejected, key_of, spread, write_prepared_set
from espnet_codecse.corpus.recording import recording_info
from espnet_codecse.corpus.wsj0 import VARIABLE, find_utterances, require_decoder, speaker_of
from espnet_codecse.corpus.wsj0_2mix_render import NAMES, Pair, RenderJob, mixture_name, render
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_text

# Published numbers of mixtures.
COUNTS = {"tr": 20000, "cv": 5000, "tt": 3000}
WSJ0_SPLITS = ("si_tr_s", "si_dt_05", "si_et_05")
LISTS = "https://www.merl.com/research/highlights/deep-clustering, create-speaker-mixtures.zip"


@dataclass(frozen=True)
class Wsj0MixSettings:
    """What to prepare.

    Attributes:
        rate: sample rate of the mixtures, 8000 or 16000 Hz.
        length: ``min`` cuts the longer utterance, ``max`` pads the shorter one.
        lists: folder of the mixing lists, for mixtures made from raw WSJ0.
        subset: mixtures a set; 0 for all.
        incomplete: take what is there, though it is not what was published.
    """

    rate: int = 8000
    length: str = "min"
    lists: Path | None = None
    subset: int = 0
    incomplete: bool = False

    def set_name(self, part: str) -> str:
        """Name of a data directory, ESPnet's: ``tr_min_8k``."""
        return f"{part}_{self.length}_{self.rate // 1000}k"


class InspectJob(NamedTuple):
    """The mixture and the speakers of one utterance of an existing tree, and the rate they must have (Hz)."""

    paths: dict[str, str]
    rate: int


def find_tree(root: Path, settings: Wsj0MixSettings) -> Path | None:
    """Return the folder of ``tr``, ``cv`` and ``tt`` of an existing tree; None when there is none.

    Raises:
        UserError: there is a tree, but not of the wanted rate or length.
    """
    wanted = Path(f"wav{settings.rate // 1000}k") / settings.length
    for base in (root, root / "2speakers"):
        if (base / wanted).is_dir():
            return base / wanted
        if base.name == "2speakers" and base.is_dir():
            raise UserError(f"{VARIABLE}: {base}: has no {wanted}; make it, or choose another --mix_fs or --min_or_max")
    return None


def find_mixtures(tree: Path, part: str, incomplete: bool = False) -> dict[str, dict[str, str]]:
    """Return ``{mixture: {table: path}}`` of ``tr``, ``cv`` or ``tt``, complete as published.

    Raises:
        UserError: a folder is missing, the count is not the published one, or a file has no counterpart.
    """
    found: dict[str, dict[str, Path]] = {}
    for kind in NAMES.values():
        folder = tree / part / kind
        if not folder.is_dir():
            raise UserError(f"{VARIABLE}: {folder}: no such folder; is the tree of mixtures complete?")
        found[kind] = {path.stem: path for path in folder.iterdir() if path.suffix == ".wav" and path.name[0] != "."}
    for kind, other in (("mix", "s1"), ("mix", "s2"), ("s1", "mix"), ("s2", "mix")):
        alone = sorted(set(found[kind]) - set(found[other]))
        if alone:
            first = found[kind][alone[0]]
            count = f"{len(alone)} files have no counterpart in {other}"
            raise UserError(f"{first}: {count}, this is the first; copy it again")
    for mixture, path in found["mix"].items():
        try:
            utterance_id(mixture)
        except UserError as error:
            raise UserError(f"{path}: {str(error).partition(': ')[2]}") from None
    check_count(tree / part, len(found["mix"]), COUNTS[part], "mixtures", "make them again", incomplete)
    return {
        mixture: {name: str(found[kind][mixture]) for name, kind in NAMES.items()} for mixture in sorted(found["mix"])
    }


def read_list(path: Path, incomplete: bool = False) -> list[Pair]:
    """Read a mixing list.

    Raises:
        UserError: the list is missing, a line is of another form, a mixture occurs twice, or the count is not the
            published one.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such mixing list; give its folder with --lists ({LISTS})")
    pairs: dict[str, Pair] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        try:
            first, first_db, second, second_db = fields
            pair = Pair(number, _key(first), float(first_db), _key(second), float(second_db))
        except ValueError:
            raise UserError(f"{path}: line {number} is not 'file dB file dB': '{line}'; download it again") from None
        name = mixture_name(pair)
        if name in pairs:
            raise UserError(f"{path}: line {number}: '{name}' was in line {pairs[name].line} already; remove one")
        pairs[name] = pair
    check_count(path, len(pairs), COUNTS[path.stem[-2:]], "mixtures", "make them again", incomplete)
    return list(pairs.values())


def _key(file: str) -> str:
    """``si_tr_s/01t/01to030v`` of ``wsj0/si_tr_s/01t/01to030v.wav``; a ValueError for less."""
    split, speaker, name = file.lower().split("/")[-3:]
    return f"{split}/{speaker}/{Path(name).stem}"


def prepare(root: Path, target: Path, settings: Wsj0MixSettings, num_jobs: int, check: bool = False) -> list[str]:
    """Write ``target/{tr,cv,tt}_<length>_<rate>``; returns a line for each.

    Files of an existing tree stay where they are; mixtures made from raw WSJ0 go to ``target/audio``.

    Args:
        root: raw WSJ0, or the folder that holds ``2speakers``.
        target: folder of the data directories.
        settings: what to prepare; ``lists`` chooses raw WSJ0 even where there is a tree.
        num_jobs: processes.
        check: only look whether everything is there.

    Raises:
        UserError: something is missing, damaged or not as published.
    """
    tree = find_tree(root, settings) if settings.lists is None else None
    if tree is not None:
        found = {part: find_mixtures(tree, part, settings.incomplete) for part in COUNTS}
        if check:
            return [f"{tree}: {part}: {len(mixtures)} of {COUNTS[part]} mixtures" for part, mixtures in found.items()]
        return [_prepare_tree(target, part, mixtures, settings, num_jobs) for part, mixtures in found.items()]
    folder = (settings.lists or root).absolute()
    if settings.lists is None and not (folder / "mix_2_spk_tr.txt").is_file():
        wanted = f"2speakers/wav{settings.rate // 1000}k/{settings.length}"
        raise UserError(
            f"{VARIABLE}: {root}: has no {wanted} and no mix_2_spk_tr.txt; give raw WSJ0's mixing lists with --lists "
            f"({LISTS})"
        )
    lists = {part: folder / f"mix_2_spk_{part}.txt" for part in COUNTS}
    pairs = {part: read_list(path, settings.incomplete) for part, path in lists.items()}
    utterances = find_utterances(root, _splits(pairs))
    missing = {part: _missing(lists[part], pairs[part], root, utterances, settings.incomplete) for part in COUNTS}
    require_decoder(list(utterances.values()))
    if check:
        return [f"{lists[part]}: {len(pairs[part]) - len(missing[part])} of {COUNTS[part]} mixtures" for part in COUNTS]
    return [_prepare_raw(target, part, pairs[part], utterances, missing[part], settings, num_jobs) for part in COUNTS]


def _splits(pairs: dict[str, list[Pair]]) -> Sequence[str]:
    used = {key.split("/")[0] for chosen in pairs.values() for pair in chosen for key in (pair.first, pair.second)}
    return [split for split in WSJ0_SPLITS if split in used] or WSJ0_SPLITS


def _missing(
    path: Path, pairs: Sequence[Pair], root: Path, utterances: dict[str, Path], incomplete: bool
) -> dict[str, Rejected]:
    """Mixtures of a list whose utterances are not there."""
    missing = {}
    for pair in pairs:
        for key in (pair.first, pair.second):
            if key not in utterances:
                if not incomplete:
                    raise UserError(
                        f"{path}: line {pair.line}: no {key} below {root}; complete WSJ0, or pass --incomplete"
                    )
                missing[mixture_name(pair)] = (mixture_name(pair), str(root / key), "no such utterance")
    return missing


def _prepare_tree(
    target: Path, part: str, mixtures: dict[str, dict[str, str]], settings: Wsj0MixSettings, num_jobs: int
) -> str:
    chosen = spread(mixtures, settings.subset)
    jobs = [InspectJob(paths, settings.rate) for paths in chosen.values()]
    name = settings.set_name(part)
    work_dir = target / f".inspect_{name}"
    # Headers are read anew in each run: it takes seconds, and the tree may have been repaired meanwhile.
    shutil.rmtree(work_dir, ignore_errors=True)
    results = run_parts(inspect, jobs, work_dir, num_jobs, f"headers of {name}", part_size=256)
    shutil.rmtree(work_dir)
    return _write(target / name, list(chosen), results, [], settings.rate)


def inspect(job: InspectJob) -> dict[str, Any]:
    """Look at the headers of a mixture of an existing tree: ``{reason, path, paths, num_samples}``."""
    lengths = []
    path = ""
    try:
        for path in job.paths.values():
            num_samples, rate, channels = recording_info(path)
            if rate != job.rate:
                raise UserError(f"wrong rate, {rate} Hz in a tree of {job.rate} Hz")
            if channels != 1:
                raise UserError(f"{channels} channels, one is wanted")
            lengths.append(num_samples)
            if num_samples != lengths[0]:
                raise UserError(f"length mismatch, {num_samples} samples, the mixture has {lengths[0]}")
    except UserError as error:
        return {"reason": str(error).replace(f"{path}: ", ""), "path": path, "paths": {}, "num_samples": 0}
    return {"reason": None, "path": "", "paths": job.paths, "num_samples": lengths[0]}


def _prepare_raw(
    target: Path,
    part: str,
    pairs: Sequence[Pair],
    utterances: dict[str, Path],
    missing: dict[str, Rejected],
    settings: Wsj0MixSettings,
    num_jobs: int,
) -> str:
    named = {mixture_name(pair): pair for pair in pairs}
    chosen = spread({name: pair for name, pair in named.items() if name not in missing}, settings.subset)
    folder = target / "audio" / settings.set_name(part)
    jobs = [
        RenderJob(
            name,
            (str(utterances[pair.first]), str(utterances[pair.second])),
            (pair.first_db, pair.second_db),
            str(folder),
            settings.rate,
            settings.length,
        )
        for name, pair in chosen.items()
    ]
    results = run_parts(render, jobs, folder / f".parts_{key_of(jobs)}", num_jobs, f"mix {settings.set_name(part)}")
    return _write(target / settings.set_name(part), list(chosen), results, list(missing.values()), settings.rate)


def utterance_id(mixture: str) -> tuple[str, str]:
    """Return ESPnet's ``(utterance id, speaker id)`` of a mixture: both speakers before its name, and both speakers.

    Raises:
        UserError: it is not named after two utterances and their levels.
    """
    fields = mixture.split("_")
    if len(fields) != 4 or any(character.isspace() for character in mixture):
        raise UserError(f"{mixture}: not named 'utterance_dB_utterance_dB'; is it a mixture of WSJ0-2mix?")
    speakers = f"{speaker_of(fields[0])}_{speaker_of(fields[2])}"
    return f"{speakers}_{mixture}", speakers


def _write(
    path: Path, mixtures: Sequence[str], results: Sequence[dict[str, Any]], rejected: list[Rejected], rate: int
) -> str:
    good = {mixture: result for mixture, result in zip(mixtures, results) if result["reason"] is None}
    bad = [(name, result["path"], result["reason"]) for name, result in zip(mixtures, results) if result["reason"]]
    keys = {mixture: utterance_id(mixture) for mixture in good}
    tables: dict[str, dict[str, Any]] = {
        name: {keys[mixture][0]: result["paths"][name] for mixture, result in good.items()} for name in NAMES
    }
    tables["utt2spk"] = dict(keys.values())
    tables["utt2fs"] = {key: rate for key, _ in keys.values()}
    tables["utt2num_samples"] = {keys[mixture][0]: result["num_samples"] for mixture, result in good.items()}
    return write_prepared_set(path, tables, rejected + bad)

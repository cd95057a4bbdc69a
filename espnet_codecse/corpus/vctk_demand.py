"""VoiceBank-DEMAND (Valentini-Botinhao, doi 10.7488/ds/2117): official zips or folders to data directories.

``<root>/{noisy,clean}_{testset,trainset_28spk,trainset_56spk}_wav[.zip]`` at 48 kHz, and the logs
``log_{testset,trainset_28spk,trainset_56spk}.txt`` in ``logfiles[.zip]`` or beside the folders, whose lines are
``<utterance> <noise> <SNR in dB>``.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_codecse.corpus.convert import Converted, Source, convert_groups, folder_audio, zip_audio
from espnet_codecse.corpus.location import check_count
from espnet_codecse.corpus.prepared_set import spread, write_prepared_set
from espnet_codecse.corpus.recording_list import Listed, write_list
from espnet_codecse.corpus.sources import audio_files, safe_name
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_text

VARIABLE = "VCTK_DEMAND"
# Published numbers of utterances (doi 10.7488/ds/2117).
COUNTS = {"testset": 824, "trainset_28spk": 11572, "trainset_56spk": 23075}
# Two of the 28 speakers, as ESPnet's and SpeechBrain's recipes hold out; the 56 other speakers have neither.
VALID_SPEAKERS = ("p226", "p287")
TRAIN_SETS = {"28": ("trainset_28spk",), "56": ("trainset_56spk",), "84": ("trainset_28spk", "trainset_56spk")}


@dataclass(frozen=True)
class VctkDemandSettings:
    """What to prepare.

    Attributes:
        rate: Hz.
        speakers: ``28``, ``56`` or ``84`` (both): the training speakers.
        subset: utterances a set; 0 for all.
        prior_dir: folder of other clean speech, for the out-of-domain prior.
        incomplete: take what is there, though it is not what was published.
    """

    rate: int = 16000
    speakers: str = "28"
    subset: int = 0
    prior_dir: Path | None = None
    incomplete: bool = False


def archives(speakers: str) -> list[str]:
    """Return the names, without ``.zip``, of the archives that a training set needs; the valid set is of the 28."""
    sets = ["testset", *dict.fromkeys(["trainset_28spk", *TRAIN_SETS[speakers]])]
    return [f"{kind}_{name}_wav" for name in sets for kind in ("noisy", "clean")] + ["logfiles"]


def find_pairs(root: Path, name: str, incomplete: bool = False) -> dict[str, tuple[Source, Source]]:
    """Return ``{utterance: (noisy, clean)}`` of a set such as ``testset``, complete as published.

    Raises:
        UserError: a folder or zip is missing or cut, the count is not the published one, or a file has no counterpart.
    """
    found = {}
    for kind in ("noisy", "clean"):
        folder = root / f"{kind}_{name}_wav"
        archive = folder.with_name(folder.name + ".zip")
        if folder.is_dir():
            found[kind] = folder_audio(folder)
        elif archive.is_file():
            found[kind] = zip_audio(archive)
        else:
            raise UserError(f"{VARIABLE}: {folder}: neither this folder nor {archive.name}; see the recipe's README")
    noisy, clean = found["noisy"], found["clean"]
    for first, second, kind in ((noisy, clean, "clean"), (clean, noisy, "noisy")):
        alone = sorted(set(first) - set(second))
        if alone:
            raise UserError(
                f"{first[alone[0]].label}: {len(alone)} files have no {kind} counterpart, this is the first"
            )
    check_count(root, len(noisy), COUNTS[name], f"utterances in {name}", "unpack or download it again", incomplete)
    return {utterance: (noisy[utterance], clean[utterance]) for utterance in sorted(noisy)}


def read_log(root: Path, name: str) -> dict[str, tuple[str, str]]:
    """Return ``{utterance: (noise, SNR in dB)}`` of the official log; empty without one.

    Raises:
        UserError: a line of another form.
    """
    file = f"log_{name}.txt"
    text = None
    for path in (root / file, root / "logfiles" / file):
        if path.is_file():
            text, where = read_text(path), path
            break
    archive = root / "logfiles.zip"
    if text is None and archive.is_file():
        with zipfile.ZipFile(archive) as content:
            members = [member for member in content.namelist() if Path(member).name == file]
            if members:
                text, where = content.read(members[0]).decode("utf-8"), archive / members[0]
    if text is None:
        return {}
    log = {}
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        try:
            utterance, noise, snr = fields
            log[utterance] = (noise, f"{float(snr):g}")
        except ValueError:
            raise UserError(
                f"{where}: line {number} is not 'utterance noise SNR': '{line}'; download it again"
            ) from None
    return log


def prepare(root: Path, target: Path, settings: VctkDemandSettings, num_jobs: int, check: bool = False) -> list[str]:
    """Write ``target/{train,valid,test}`` and the unpaired lists; returns a line for each.

    ``unpaired_noisy`` holds the noisy recordings of one half of the training speakers, ``prior_in_domain`` the clean
    ones of the other half, so that no clean counterpart of a noisy recording is ever seen; ``prior_out_of_domain`` is
    what ``prior_dir`` holds.

    Args:
        root: the corpus.
        target: folder of the data directories; audio that must change goes to ``target/audio``.
        settings: what to prepare.
        num_jobs: processes.
        check: only look whether everything is there.

    Raises:
        UserError: something is missing, damaged or not as published.
    """
    names = dict.fromkeys(["testset", "trainset_28spk", *TRAIN_SETS[settings.speakers]])
    pairs = {name: find_pairs(root, name, settings.incomplete) for name in names}
    if check:
        return [f"{root}: {name}: {len(found)} utterances, complete" for name, found in pairs.items()]
    sets: dict[str, dict[str, tuple[Source, Source]]] = {"train": {}, "valid": {}, "test": pairs["testset"]}
    for name in TRAIN_SETS[settings.speakers]:
        sets["train"].update({key: pair for key, pair in pairs[name].items() if _speaker(key) not in VALID_SPEAKERS})
    sets["valid"] = {key: pair for key, pair in pairs["trainset_28spk"].items() if _speaker(key) in VALID_SPEAKERS}
    log: dict[str, tuple[str, str]] = {}
    for name in pairs:
        log.update(read_log(root, name))
    lines = []
    rate = settings.rate
    for name, pairs_of_set in sets.items():
        chosen = spread(pairs_of_set, settings.subset)
        folder = target / "audio" / f"{name}_{rate}"
        made = convert_groups(folder, ("noisy", "clean"), chosen, rate, num_jobs, f"{name} to {rate} Hz")
        lines.append(_write_pairs(target / name, made, log, rate))
        if name == "train":
            lines += _write_unpaired(target, made, rate, num_jobs)
    if settings.prior_dir is not None:
        chosen = spread(_prior(settings.prior_dir.absolute()), settings.subset)
        lines.append(write_list(target, "prior_out_of_domain", chosen, rate, num_jobs))
    return lines


def _speaker(utterance: str) -> str:
    return utterance.split("_")[0]


def _write_pairs(path: Path, made: dict[str, list[Converted]], log: dict[str, tuple[str, str]], rate: int) -> str:
    good = _usable(made)
    rejected = [(key, item.path, item.reason) for key, pair in made.items() for item in pair if item.reason]
    tables: dict[str, dict[str, Any]] = {
        "wav.scp": {key: noisy.path for key, (noisy, _) in good.items()},
        "spk1.scp": {key: clean.path for key, (_, clean) in good.items()},
        "utt2spk": {key: _speaker(key) for key in good},
        "utt2fs": dict.fromkeys(good, rate),
        "utt2num_samples": {key: noisy.num_samples for key, (noisy, _) in good.items()},
    }
    if all(key in log for key in good):
        tables["utt2noise"] = {key: log[key][0] for key in good}
        tables["utt2snr"] = {key: log[key][1] for key in good}
    line = write_prepared_set(path, tables, rejected, unit="files ")
    return line if "utt2snr" in tables else line + "; no log files: no breakdown by SNR"


def _usable(made: dict[str, list[Converted]]) -> dict[str, list[Converted]]:
    return {key: pair for key, pair in made.items() if not any(item.reason for item in pair)}


def _write_unpaired(target: Path, made: dict[str, list[Converted]], rate: int, num_jobs: int) -> list[str]:
    good = _usable(made)
    speakers = sorted({_speaker(key) for key in good})
    lines = []
    for index, name in enumerate(("unpaired_noisy", "prior_in_domain")):
        # Every second speaker is heard with noise, the others alone; they are at the right rate already.
        chosen = set(speakers[index::2])
        items = {key: Listed(pair[index].path, _speaker(key)) for key, pair in good.items() if _speaker(key) in chosen}
        if items:
            lines.append(write_list(target, name, items, rate, num_jobs))
    return lines


def _prior(root: Path) -> dict[str, Listed]:
    """Return another corpus's clean speech; its speakers are the folders below ``root``."""
    names = {}
    for path in audio_files(root):
        relative = path.relative_to(root)
        speaker = safe_name(relative.parts[0])
        names[safe_name("-".join(relative.with_suffix("").parts))] = Listed(str(path), speaker)
    return names

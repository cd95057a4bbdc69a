"""The DNS-Challenge (Interspeech 2020 and later editions) to data directories.

``<root>/datasets/{clean,noise,impulse_responses,test_set}`` and the other names of dns_layout.py; or, instead of clean
speech and noise, a synthetic training set as the challenge's script writes it: ``training/{noisy,clean[,noise]}``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from espnet_codecse.corpus import dns_layout as layout
from espnet_codecse.corpus.convert import Source, convert_groups, folder_audio
from espnet_codecse.corpus.dns_low_snr import remix_tests
from espnet_codecse.corpus.dns_simulation import NUM_SPARE, Clip, DnsSimulation, RenderJob, plan_clips, render_clip
from espnet_codecse.corpus.location import check_count
from espnet_codecse.corpus.parallel import run_parts
from espnet_codecse.corpus.prepared_set import key_of, spread, write_prepared_set
from espnet_codecse.corpus.recording_list import Listed, write_list
from espnet_codecse.corpus.sources import SourceRecording, safe_name
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import remove_temporary_below

VARIABLE = layout.VARIABLE
VALID_PORTION = 0.1
Rejected = list[tuple[str, str, str]]


@dataclass(frozen=True)
class DnsSettings:
    """What to prepare.

    Attributes:
        simulation: how training clips are made of clean speech and noise.
        synthetic: folder of a synthetic training set that is read as it is, with noisy and clean.
        test_dir: folder with ``synthetic`` and ``real_recordings`` of the Interspeech-2020 test set.
        dynamic: write lists for on-the-fly training and only the validation clips.
        rooms: ``real``, ``synthetic`` or ``both``.
        t60_range: range of the room responses' T60, seconds, where the corpus has their table.
        subset: utterances a set; 0 for all.
        incomplete: take what is there, though it is not what was published.
        low_snr: also write the clips without reverberation at -10, -5, 0 and 5 dB.
    """

    simulation: DnsSimulation = DnsSimulation()
    synthetic: Path | None = None
    test_dir: Path | None = None
    dynamic: bool = False
    rooms: str = "both"
    t60_range: tuple[float, float] = (0.3, 1.3)
    subset: int = 0
    incomplete: bool = False
    low_snr: bool = False

    @property
    def rate(self) -> int:
        """Sample rate of all that is written, Hz."""
        return self.simulation.rate


def prepare(root: Path, target: Path, settings: DnsSettings, num_jobs: int, check: bool = False) -> list[str]:
    """Write ``target/{train,valid,no_reverb,with_reverb,real_recordings}``; returns a line for each.

    With ``dynamic`` there are ``target/{clean,noise,rooms}_train`` instead of ``train``: clean recordings (as mixture
    and as reference), noise and room responses for ESPnet's preprocessor.

    Args:
        root: the corpus.
        target: folder of the data directories; audio goes to ``target/audio``.
        settings: what to prepare.
        num_jobs: processes.
        check: only look whether everything is there.

    Raises:
        UserError: something is missing, damaged or not as published.
    """
    tests = find_tests(root, settings)
    synthetic = settings.synthetic or layout.find_folder(root, layout.TRAINING)
    if synthetic is not None and settings.dynamic:
        raise UserError(f"{synthetic}: noise is mixed already; --dynamic needs clean speech and noise folders")
    lines = []
    if synthetic is not None:
        kinds = ("noisy", "clean", "noise") if (synthetic / "noise").is_dir() else ("noisy", "clean")
        pairs = layout.paired_by_fileid(synthetic, kinds)
        if check:
            lines.append(f"{synthetic}: {len(pairs)} clips, paired")
        else:
            named = {_pair_name(number, sources[0].path): sources for number, sources in pairs.items()}
            for name, chosen in zip(("train", "valid"), _divide(named)):
                lines.append(_convert_set(target, name, spread(chosen, settings.subset), settings.rate, num_jobs))
    elif check:
        for choices in (layout.CLEAN, layout.NOISE):
            folder = layout.needed_folder(root, choices)
            lines.append(f"{folder}: {len(layout.audio_files(folder))} recordings")
        rooms = layout.list_rooms(root, settings.rooms, settings.t60_range)
        lines.append(f"{root}: {len(rooms)} room responses{'' if rooms else ', clips without reverberation'}")
    else:
        lines += _simulate(root, target, settings, num_jobs)
    for name, sources in tests.items():
        if check:
            lines.append(f"{root}: {name}: {len(sources)} recordings, complete")
        else:
            lines.append(_convert_set(target, name, spread(sources, settings.subset), settings.rate, num_jobs))
    if settings.low_snr and not check:
        remixed = spread(tests["no_reverb"], settings.subset)
        lines.append(remix_tests(target, remixed, settings.rate, num_jobs))
    return lines


def find_tests(root: Path, settings: DnsSettings) -> dict[str, dict[str, tuple[Source, ...]]]:
    """Return ``{set: {id: (noisy[, clean])}}`` of the Interspeech-2020 test set, complete as published.

    Raises:
        UserError: a folder is missing, the count is not the published one, or a file has no counterpart.
    """
    folder = settings.test_dir or layout.needed_folder(root, layout.TESTS)
    found: dict[str, dict[str, tuple[Source, ...]]] = {}
    advice = ("recordings", "download it again", settings.incomplete)
    for name, published in layout.SYNTHETIC_TESTS.items():
        pairs = layout.paired_by_fileid(folder / "synthetic" / name)
        found[name] = {f"fileid_{number}": sources for number, sources in pairs.items()}
        check_count(folder / "synthetic" / name, len(pairs), published, *advice)
    real = folder / layout.REAL_TEST
    if real.is_dir():
        found[layout.REAL_TEST] = {safe_name(stem): (source,) for stem, source in folder_audio(real).items()}
        check_count(real, len(found[layout.REAL_TEST]), layout.NUM_REAL, *advice)
    elif not settings.incomplete:
        raise UserError(f"{VARIABLE}: {real}: no such folder; copy it there, or pass --incomplete")
    return found


def _pair_name(number: int, path: str) -> str:
    speaker = layout.speaker_of(Path(path), Path(path).parent)
    return f"{speaker}_fileid_{number}" if speaker.startswith("reader_") else f"fileid_{number}"


def _divide(items: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ``(train, valid)``: valid is the last 10 % by id, as ESPnet's recipe divides them, one at least."""
    keys = sorted(items)
    num_train = min(int(len(keys) * (1 - VALID_PORTION) + 1e-9), len(keys) - 1)
    return {key: items[key] for key in keys[:num_train]}, {key: items[key] for key in keys[num_train:]}


def _common_tables(names: Sequence[str], num_samples: Mapping[str, int], rate: int) -> dict[str, dict[str, Any]]:
    return {
        # Ids are <speaker>_fileid_<N>; where no speaker is known every recording is its own.
        "utt2spk": {name: name.split("_fileid_")[0] for name in names},
        "utt2fs": dict.fromkeys(names, rate),
        "utt2num_samples": {name: num_samples[name] for name in names},
    }


def _convert_set(target: Path, name: str, sources: Mapping[str, tuple[Source, ...]], rate: int, num_jobs: int) -> str:
    """Write ``target/name`` of recordings that are mixed already: (noisy[, clean[, noise]])."""
    kinds = ("wav", "spk1", "noise1")[: max(map(len, sources.values()))]
    made = convert_groups(target / "audio" / f"{name}_{rate}", kinds, sources, rate, num_jobs, f"{name} to {rate} Hz")
    good = {key: items for key, items in made.items() if not any(item.reason for item in items)}
    rejected = [(key, item.path, item.reason) for key, items in made.items() for item in items if item.reason]
    tables = _common_tables(list(good), {key: items[0].num_samples for key, items in good.items()}, rate)
    for index, kind in enumerate(kinds):
        tables[f"{kind}.scp"] = {key: items[index].path for key, items in good.items()}
    snrs = {key: layout.snr_of(sources[key][0].path) for key in good}
    if None not in snrs.values():
        tables["utt2snr"] = snrs
    return write_prepared_set(target / name, tables, rejected)


def _simulate(root: Path, target: Path, settings: DnsSettings, num_jobs: int) -> list[str]:
    simulation, audio = settings.simulation, target / "audio"
    speech, rejected = layout.list_recordings(layout.needed_folder(root, layout.CLEAN), audio, num_jobs)
    noise, no_noise = layout.list_recordings(layout.needed_folder(root, layout.NOISE), audio, num_jobs)
    rejected += no_noise
    rooms = layout.list_rooms(root, settings.rooms, settings.t60_range)
    train, valid = _divide({clip.name: clip for clip in plan_clips(speech, noise, rooms, simulation)})
    key = key_of([asdict(simulation), speech, noise, rooms])
    lines = [] if rooms else [f"{root}: no room responses: clips without reverberation"]
    sets = {"valid": valid} if settings.dynamic else {"train": train, "valid": valid}
    for name, clips in sets.items():
        chosen = list(spread(clips, settings.subset).values())
        lines.append(render_set(target, name, chosen, simulation, key, num_jobs, rejected))
        rejected = []  # listed once, with the first set
    if settings.dynamic:
        # A spare recording is heard in a clip only where another one was clipped.
        held_out = {item.name for clip in valid.values() for item in clip.speech[:-NUM_SPARE]}
        kept = [item for item in speech if item.name not in held_out] or speech
        rate = settings.rate
        for name, recordings in (("clean_train", kept), ("noise_train", noise)):
            items = {_list_id(item): Listed(item.path, item.group) for item in recordings}
            listed = spread(items, settings.subset)
            lines.append(write_list(target, name, listed, rate, num_jobs, own_reference=name == "clean_train"))
        if rooms:
            responses = {f"room_{number}": Listed(room.path, "room", room.channel) for number, room in enumerate(rooms)}
            lines.append(write_list(target, "rooms_train", spread(responses, settings.subset), rate, num_jobs))
    return lines


def _list_id(item: SourceRecording) -> str:
    return item.name if item.name.startswith(item.group) else f"{item.group}_{item.name}"


def render_set(
    target: Path,
    name: str,
    clips: Sequence[Clip],
    simulation: DnsSimulation,
    key: str,
    num_jobs: int,
    rejected: Rejected,
) -> str:
    """Render the clips of one set and write ``target/name``; what an earlier run did is kept. Returns a line.

    Args:
        target: folder of the data directories.
        name: name of the set.
        clips: lines of the plan.
        simulation: the settings they were planned with.
        key: hash of everything that the plan depends on.
        num_jobs: processes.
        rejected: further lines of rejected.tsv.
    """
    audio_dir = target / "audio" / f"{name}_{key}"
    jobs = [RenderJob(clip, str(audio_dir), simulation) for clip in clips]
    work_dir = audio_dir / f".parts_{key_of([clip.name for clip in clips])}"
    results = run_parts(render_clip, jobs, work_dir, num_jobs, f"mix {name}", part_size=16)
    remove_temporary_below(audio_dir)
    made = [(clip, result) for clip, result in zip(clips, results) if result["reason"] is None]
    rejected = list(rejected)
    for clip, result in zip(clips, results):
        rejected += [(clip.name, path, reason) for path, reason in result["skipped"]]
        if result["reason"] is not None:
            rejected.append((clip.name, clip.speech[0].path, result["reason"]))
    num_samples = {clip.name: result["num_samples"] for clip, result in made}
    tables = _common_tables(list(num_samples), num_samples, simulation.rate)
    for scp in ("wav.scp", "spk1.scp", "noise1.scp"):
        tables[scp] = {clip.name: result["paths"][scp] for clip, result in made}
    tables["utt2snr"] = {clip.name: clip.snr for clip, _ in made}
    tables["utt2reverb"] = {clip.name: int(clip.room is not None) for clip, _ in made}
    return write_prepared_set(target / name, tables, rejected)

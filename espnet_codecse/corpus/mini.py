"""The mini corpus: mixtures of any folders of recordings, or of synthesised speech and noise, as data directories."""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from espnet_codecse.corpus.augmentation import altered_noises, extra_noises, room_responses
from espnet_codecse.corpus.convert import Source, convert_groups
from espnet_codecse.corpus.data_dir import validate_data_dir, write_data_dir
from espnet_codecse.corpus.mixtures import Mixture, MixtureSettings, RenderJob, plan_mixtures, render_mixture
from espnet_codecse.corpus.noise import noise_kinds
from espnet_codecse.corpus.parallel import read_done, run_parts, write_json
from espnet_codecse.corpus.prepared_set import key_of
from espnet_codecse.corpus.sources import SPLITS, SourceRecording, Sources, find_sources, scan
from espnet_codecse.corpus.synthesis import write_corpus
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, remove_file, remove_temporary_below

# Mixtures of the synthesised corpus; those of given folders follow from the number of utterances.
SYNTHETIC_TRAIN, SYNTHETIC_VALID = 300, 30
# The test set is the same whatever is asked of the training set.
TEST_SEED = 0
TEST_LEVELS = (-35.0, -15.0)


@dataclass(frozen=True)
class MiniSettings:
    """What to prepare.

    Attributes:
        mixtures: how train and valid mixtures are drawn; the test set takes rate, speakers and reverb_target of it.
        num_train, num_valid: mixtures; 0 for ``train_copies`` of each utterance and ``valid_copies``.
        train_copies, valid_copies: mixtures of each utterance.
        test_reverb_probability: portion of the test mixtures in a room.
        num_extra_noises: synthesised noises that join the train noises.
        extra_noise_kinds: their kinds, in turn.
        num_altered_noises: variants of the train noises that join them.
        drift_probability: share of these whose colour and level change over time.
        num_rooms: simulated room responses for dynamic mixing.
    """

    mixtures: MixtureSettings = MixtureSettings()
    num_train: int = 0
    num_valid: int = 0
    train_copies: int = 4
    valid_copies: int = 2
    test_reverb_probability: float = 0.0
    num_extra_noises: int = 0
    extra_noise_kinds: Sequence[str] = tuple(noise_kinds())
    num_altered_noises: int = 0
    drift_probability: float = 0.0
    num_rooms: int = 0


def prepare(
    target: Path,
    settings: MiniSettings,
    num_jobs: int,
    clean_dir: Path | None = None,
    noise_dir: Path | None = None,
    downloads: Path = Path("downloads"),
    room_dir: Path | None = None,
    test_room_dir: Path | None = None,
) -> list[str]:
    """Write ``target/{train,valid,test}`` and ``target/{clean,noise}_{train,valid,test}``; returns a line for each set.

    With ``num_rooms`` or ``room_dir`` there is ``target/rooms_train`` too.

    Args:
        target: folder of the data directories; audio goes to ``target/audio``.
        settings: what to prepare.
        num_jobs: processes.
        clean_dir: folder of recordings; without it speech and noise are synthesised below ``downloads``.
        noise_dir: folder of noise recordings; not needed with a given split that has noise, or if none is mixed.
        downloads: where the synthesised corpus is written.
        room_dir: folder of recorded room responses for dynamic mixing.
        test_room_dir: folder of recorded room responses for the test mixtures; without it, their rooms are simulated.

    Raises:
        UserError: no usable recordings, too few speakers or noises, or nothing could be mixed.
    """
    if clean_dir is None:
        if noise_dir is not None:
            raise UserError("--noise_dir: it needs --clean_dir too; give both, or none for synthesised data")
        clean_dir = downloads / f"espeak_{settings.mixtures.rate}_{settings.mixtures.seed}"
        write_corpus(clean_dir, settings.mixtures.rate, settings.mixtures.seed, num_jobs)
        settings = replace(
            settings, num_train=settings.num_train or SYNTHETIC_TRAIN, num_valid=settings.num_valid or SYNTHETIC_VALID
        )
    with_noise = settings.mixtures.noise_probability > 0 or settings.num_altered_noises > 0
    sources = find_sources(clean_dir, noise_dir, settings.mixtures.num_speakers, with_noise)
    recorded_rooms = scan(room_dir, False, sources.skipped) if room_dir else []
    test_rooms = tuple(item.path for item in scan(test_room_dir, False, sources.skipped)) if test_room_dir else ()
    if sources.skipped:
        _write_skipped(target / "audio" / "skipped.tsv", sources)
    lines = _augment(target, settings, sources, recorded_rooms, num_jobs)
    for split in SPLITS:
        _write_recordings(target / f"clean_{split}", sources.speech[split], prefix_of_name=True)
        noise = _at_rate(target / "audio", "noise", sources.noise[split], settings.mixtures.rate, num_jobs)
        if noise:
            _write_recordings(target / f"noise_{split}", noise, prefix_of_name=False)
        mixtures, count = _split_settings(settings, split, len(sources.speech[split]), test_rooms)
        plan = plan_mixtures(sources.speech[split], sources.noise[split], mixtures, count)
        speakers = {item.path: item.group for item in sources.speech[split]}
        lines.append(_make_set(target, split, plan, mixtures, speakers, num_jobs))
    return lines


def _augment(
    target: Path, settings: MiniSettings, sources: Sources, recorded_rooms: list[SourceRecording], num_jobs: int
) -> list[str]:
    """Add altered and synthesised noises to the train noises of ``sources``, write ``target/rooms_train``, as asked."""
    common, lines = settings.mixtures, []
    audio, how = target / "audio", (common.rate, common.seed, num_jobs)
    if settings.num_altered_noises:
        noise, count = sources.noise["train"], settings.num_altered_noises
        noise.extend(altered_noises(audio, noise, settings.drift_probability, count, *how))
    if settings.num_extra_noises:
        speech, kinds, count = sources.speech["train"], settings.extra_noise_kinds, settings.num_extra_noises
        sources.noise["train"].extend(extra_noises(audio, speech, kinds, count, *how))
    rooms = _at_rate(audio, "rooms", recorded_rooms, common.rate, num_jobs)
    if settings.num_rooms:
        rooms += room_responses(audio, settings.num_rooms, common.rate, common.rt60_range, common.seed, num_jobs)
    if rooms:
        _write_recordings(target / "rooms_train", rooms, prefix_of_name=False)
        lines.append(f"{target / 'rooms_train'}: {len(rooms)} room responses")
    return lines


def _at_rate(
    audio: Path, kind: str, recordings: Sequence[SourceRecording], rate: int, num_jobs: int
) -> list[SourceRecording]:
    """Return noise or rooms at ``rate`` Hz: dynamic mixing reads them as they are; ESPnet would resample each time."""
    others = {item.name: [Source(item.path)] for item in recordings if item.rate != rate}
    if not others:
        return list(recordings)
    folder = audio / f"{kind}_{rate}_{key_of([sorted(others.items()), rate])}"
    made = convert_groups(folder, (kind,), others, rate, num_jobs, f"{kind} to {rate} Hz")
    result = []
    for item in recordings:
        for converted in made.get(item.name, []):
            if converted.reason:
                raise UserError(f"{item.path}: {converted.reason}; remove or replace it")
            item = item._replace(path=converted.path, num_samples=converted.num_samples, rate=rate)
        result.append(item)
    return result


def _split_settings(
    settings: MiniSettings, split: str, num_utterances: int, test_rooms: tuple[str, ...]
) -> tuple[MixtureSettings, int]:
    common = settings.mixtures
    if split == "train":
        return common, settings.num_train or settings.train_copies * num_utterances
    if split == "valid":
        return replace(common, seed=common.seed + 1), settings.num_valid or settings.valid_copies * num_utterances
    test = MixtureSettings(
        rate=common.rate,
        num_speakers=common.num_speakers,
        level_range=TEST_LEVELS,
        noise_probability=1.0 if common.noise_probability > 0 else 0.0,
        reverb_probability=settings.test_reverb_probability,
        rooms=test_rooms,
        reverb_target=common.reverb_target,
        cycle=True,
        test_snrs=common.test_snrs,
        seed=TEST_SEED,
    )
    return test, 0


def _write_skipped(path: Path, sources: Sources) -> None:
    with atomic_path(path) as temporary:
        rows = "".join(f"{name}\t{reason}\n" for name, reason in sources.skipped)
        temporary.write_text("path\treason\n" + rows, encoding="utf-8")
    first = sources.skipped[0]
    print(f"{len(sources.skipped)} recordings left out (first: {first[0]}: {first[1]}), see {path}", file=sys.stderr)


def _write_recordings(path: Path, recordings: Sequence[SourceRecording], prefix_of_name: bool) -> None:
    """Write a data directory of plain recordings; noise has no speakers, so that every id is its own."""
    write_data_dir(
        path,
        {
            "wav.scp": {item.name: item.path for item in recordings},
            "utt2spk": {item.name: item.group if prefix_of_name else item.name for item in recordings},
            "utt2fs": {item.name: item.rate for item in recordings},
            "utt2num_samples": {item.name: item.num_samples for item in recordings},
        },
    )


def _make_set(
    target: Path, split: str, plan: list[Mixture], settings: MixtureSettings, speakers: dict[str, str], num_jobs: int
) -> str:
    """Render ``plan`` and write ``target/split``; nothing is done when the same plan was completed before.

    ``speakers`` names the speaker of each recording.
    """
    description = json.dumps([plan, asdict(settings)], sort_keys=True)
    key = hashlib.sha256(description.encode()).hexdigest()[:8]
    done = target / split / ".done"
    before = read_done(done)
    if before.get("key") == key:
        return f"{before['summary']} (skipped: done by an earlier run)"
    remove_file(done)
    audio_dir = target / "audio" / f"{split}_{key}"
    if before:
        old = target / "audio" / f"{split}_{before['key']}"
        print(f"{target}/{split}: made anew; audio of the earlier options stays in {old}", file=sys.stderr)
    jobs = [RenderJob(mixture, str(audio_dir), settings) for mixture in plan]
    results = run_parts(render_mixture, jobs, audio_dir / ".parts", num_jobs, f"mix {split}", part_size=16)
    remove_temporary_below(audio_dir)
    made = [(mixture, result) for mixture, result in zip(plan, results) if result["reason"] is None]
    if not made:
        raise UserError(
            f"{target}/{split}: nothing could be mixed (first: {results[0]['reason']}); check the recordings"
        )
    summary = _write_mixtures(target / split, made, settings, speakers)
    if len(made) < len(plan):
        reason = next(result["reason"] for result in results if result["reason"] is not None)
        summary += f", {len(plan) - len(made)} could not be mixed (first: {reason})"
    write_json(done, {"key": key, "summary": summary})
    return summary


def _write_mixtures(
    path: Path, made: Sequence[tuple[Mixture, dict[str, Any]]], settings: MixtureSettings, speakers: dict[str, str]
) -> str:
    # Noise references are a table for all or for none: a data directory has the same ids in every file.
    names = set.intersection(*(set(result["paths"]) for _, result in made))
    tables: dict[str, dict[str, Any]] = {
        name: {mixture.name: result["paths"][name] for mixture, result in made} for name in sorted(names)
    }
    tables["utt2spk"] = {mixture.name: mixture.speaker for mixture, _ in made}
    tables["utt2fs"] = {mixture.name: settings.rate for mixture, _ in made}
    tables["utt2num_samples"] = {mixture.name: result["num_samples"] for mixture, result in made}
    tables["utt2category"] = {mixture.name: f"1ch_{settings.rate}Hz" for mixture, _ in made}
    if "noise1.scp" in names:
        tables["utt2snr"] = {mixture.name: f"{mixture.snr:g}" for mixture, _ in made}
        tables["utt2noise"] = {mixture.name: mixture.noise_kind for mixture, _ in made}
    if settings.num_speakers > 1:
        tables["utt2sir"] = {mixture.name: f"{mixture.ratio:g}" for mixture, _ in made}
        # utt2spk names all speakers at once; dynamic mixing needs that of each reference.
        for index in range(settings.num_speakers):
            by_name = {mixture.name: speakers[mixture.speech[index].path] for mixture, _ in made}
            tables[f"utt2spk{index + 1}"] = by_name
    if settings.reverb_probability > 0:
        tables["utt2reverb"] = {mixture.name: int(mixture.reverberant) for mixture, _ in made}
    for leftover in path.glob("*.scp"):
        if leftover.name not in tables:
            leftover.unlink()  # of earlier options (a second speaker, say): it would name other ids
    for leftover in path.glob("utt2*"):
        if leftover.name not in tables:
            leftover.unlink()
    write_data_dir(path, tables)
    validate_data_dir(path, settings.num_speakers, check_files=False)
    minutes = sum(tables["utt2num_samples"].values()) / settings.rate / 60
    return f"{path}: {len(made)} mixtures, {minutes:.1f} min, {len(set(tables['utt2spk'].values()))} speakers"

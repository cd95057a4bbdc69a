"""The URGENT 2024 challenge's prepared data to data directories: mixtures or lists for training, official validation.

The test set is VoiceBank-DEMAND's, on which the dual-branch system (Klement and others) was tested; the challenge's
training speech leaves its two speakers out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from espnet_codecse.corpus import urgent_layout as layout
from espnet_codecse.corpus.convert import Converted, Source, convert_groups
from espnet_codecse.corpus.headers import read_headers
from espnet_codecse.corpus.parallel import run_parts
from espnet_codecse.corpus.prepared_set import Rejected, key_of, spread, write_prepared_set
from espnet_codecse.corpus.sources import SourceRecording
from espnet_codecse.corpus.urgent_layout import Pair
from espnet_codecse.corpus.urgent_lists import divide_noise, halves_of, read_recordings, write_dynamic, write_unpaired
from espnet_codecse.corpus.urgent_simulation import (
    RenderJob,
    Speech,
    UrgentSimulation,
    audio_paths,
    plan_mixtures,
    render_mixture,
)
from espnet_codecse.corpus.vctk_demand import find_pairs, read_log
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import remove_temporary_below

TEST = "vctk_demand_test"


@dataclass(frozen=True)
class UrgentSettings:
    """What to prepare.

    Attributes:
        simulation: how training mixtures are made.
        dynamic: write lists for on-the-fly training instead of mixtures.
        official_train: take the mixtures of ``data/train``, which the challenge's scripts made.
        vctk_demand: folder of VoiceBank-DEMAND, the test set; None for no test set.
        num_train, num_valid: utterances of these sets; 0 for all.
        subset: utterances a set; 0 for all.
        incomplete: take what is there, though tables do not agree or files are missing.
    """

    simulation: UrgentSimulation = UrgentSimulation()
    dynamic: bool = False
    official_train: bool = False
    vctk_demand: Path | None = None
    num_train: int = 0
    num_valid: int = 0
    subset: int = 0
    incomplete: bool = False


def prepare(root: Path, target: Path, settings: UrgentSettings, num_jobs: int, check: bool = False) -> list[str]:
    """Write ``target/{train,validation,vctk_demand_test}`` and the unpaired lists; returns a line for each.

    ``unpaired_noisy`` holds the mixtures of one half of the speakers, ``unpaired_speech`` the references of the other,
    ``unpaired_noise`` the noise recordings that are not in ``unpaired_noisy``. With ``dynamic`` there are
    ``target/{clean,noise,rooms}_train`` instead: clean recordings (as mixture and as reference), noise and room
    responses for ESPnet's preprocessor.

    Args:
        root: the challenge's repository, or its ``data``.
        target: folder of the data directories; audio goes to ``target/audio``.
        settings: what to prepare.
        num_jobs: processes.
        check: only look whether everything is there.

    Raises:
        UserError: something is missing or does not agree.
    """
    if settings.dynamic and settings.official_train:
        raise UserError("--dynamic and --official_train: lists or mixtures; choose one of them")
    name = layout.TRAIN if settings.official_train else layout.SPEECH
    data = layout.find_data(root, [name, layout.VALIDATION, layout.NOISE, layout.ROOMS])
    train, valid = (layout.read_pairs(data / kind, settings.incomplete) for kind in (name, layout.VALIDATION))
    lists = {kind: layout.read_list(data / kind, settings.incomplete) for kind in (layout.NOISE, layout.ROOMS)}
    test: dict[str, tuple[Source, Source]] = {}
    if settings.vctk_demand is not None:
        test = find_pairs(settings.vctk_demand, "testset", settings.incomplete)
    if check:
        lines = [f"{data / kind}: {len(found)} utterances" for kind, found in ((name, train), ("validation", valid))]
        lines += [f"{data / kind}: {len(files)} recordings" for kind, files in lists.items()]
        return lines + [f"{settings.vctk_demand}: testset: {len(test)} utterances"] * bool(test)
    simulation, rate = settings.simulation, settings.simulation.rate
    half = halves_of(pair.speaker for pair in train.values())
    train = spread(train, settings.subset or settings.num_train)
    if settings.dynamic:
        lines = write_dynamic(target, train, lists[layout.NOISE], lists[layout.ROOMS], rate, settings.subset, num_jobs)
    else:
        noise, no_noise = read_recordings(lists[layout.NOISE], target / "audio", num_jobs, "noise")
        noises = divide_noise(noise)
        if settings.official_train:
            tables, line = _write_pairs(target, layout.TRAIN, train, simulation, num_jobs)
        else:
            rooms, no_rooms = read_recordings(lists[layout.ROOMS], target / "audio", num_jobs, "room responses")
            tables, line = _simulate(target, train, half, noises, rooms, simulation, num_jobs, no_noise + no_rooms)
        lines = [line, *write_unpaired(target, tables, half, noises[1], rate, settings.subset, num_jobs)]
    chosen = spread(valid, settings.subset or settings.num_valid)
    lines.append(_write_pairs(target, layout.VALIDATION, chosen, simulation, num_jobs)[1])
    if settings.vctk_demand is not None:
        chosen = spread(test, settings.subset)
        lines.append(_write_test(target, chosen, read_log(settings.vctk_demand, "testset"), rate, num_jobs))
    return lines


def _simulate(
    target: Path,
    train: Mapping[str, Pair],
    half: Mapping[str, int],
    noise: Sequence[Sequence[SourceRecording]],
    rooms: Sequence[SourceRecording],
    simulation: UrgentSimulation,
    num_jobs: int,
    rejected: Sequence[Rejected],
) -> tuple[dict[str, dict[str, Any]], str]:
    speech = {name: Speech(pair.speaker, pair.clean, pair.rate, half[pair.speaker]) for name, pair in train.items()}
    plan = plan_mixtures(speech, noise, rooms, simulation)
    audio_dir = target / "audio" / f"train_{key_of([asdict(simulation), noise, rooms])}"
    jobs = [RenderJob(mixture, str(audio_dir), simulation) for mixture in plan]
    work_dir = audio_dir / f".parts_{key_of(plan)}"
    results = run_parts(render_mixture, jobs, work_dir, num_jobs, "mix train", part_size=64)
    remove_temporary_below(audio_dir)
    results_of = list(zip(plan, results))
    made = [(mixture, result) for mixture, result in results_of if not result["reason"]]
    bad = [(mixture.name, result["path"], result["reason"]) for mixture, result in results_of if result["reason"]]
    files = {mixture.name: audio_paths(str(audio_dir), mixture) for mixture, _ in made}
    rates = {mixture.name: simulation.output_rate(mixture.rate) for mixture, _ in made}
    tables: dict[str, dict[str, Any]] = {
        "utt2spk": {mixture.name: mixture.speaker for mixture, _ in made},
        "utt2fs": dict(rates),
        "utt2num_samples": {mixture.name: result["num_samples"] for mixture, result in made},
    }
    for table in ("wav.scp", "spk1.scp", "noise1.scp"):
        tables[table] = {name: paths[table] for name, paths in files.items()}
    tables["utt2snr"] = {mixture.name: f"{mixture.snr:g}" for mixture, _ in made}
    tables["utt2reverb"] = {mixture.name: int(bool(mixture.room)) for mixture, _ in made}
    tables["utt2distortion"] = {mixture.name: mixture.distortion for mixture, _ in made}
    return tables, write_prepared_set(target / layout.TRAIN, tables, [*rejected, *bad])


def _write_pairs(
    target: Path, name: str, pairs: Mapping[str, Pair], simulation: UrgentSimulation, num_jobs: int
) -> tuple[dict[str, dict[str, Any]], str]:
    """Write ``target/name`` of official mixtures and references, both at the codec's rate or both at their own."""
    files = list(dict.fromkeys(path for pair in pairs.values() for path in (pair.noisy, pair.clean)))
    headers = read_headers(files, target / "audio", num_jobs, f"headers of {name}")
    good, rejected = layout.usable(pairs, headers)
    if simulation.keep_rates:
        pairs_of_paths = {key: (pair.noisy, pair.clean) for key, pair in good.items()}
        made = {
            key: [Converted(path, headers[path].num_samples) for path in paths] for key, paths in pairs_of_paths.items()
        }
    else:
        sources = {key: (Source(pair.noisy), Source(pair.clean)) for key, pair in good.items()}
        folder = target / "audio" / f"{name}_{simulation.rate}"
        what = f"{name} to {simulation.rate} Hz"
        made = convert_groups(folder, ("noisy", "clean"), sources, simulation.rate, num_jobs, what)
    speakers = {key: pair.speaker for key, pair in good.items()}
    rates = {key: simulation.output_rate(pair.rate) for key, pair in good.items()}
    return _write_made(target / name, made, speakers, rates, rejected, {})


def _write_made(
    path: Path,
    made: Mapping[str, Sequence[Converted]],
    speakers: Mapping[str, str],
    rates: Mapping[str, int],
    rejected: Sequence[Rejected],
    extra: Mapping[str, Mapping[str, str]],
) -> tuple[dict[str, dict[str, Any]], str]:
    bad = [(key, item.path, item.reason) for key, items in made.items() for item in items if item.reason]
    good = {key: items for key, items in made.items() if not any(item.reason for item in items)}
    tables: dict[str, dict[str, Any]] = {
        "utt2spk": {key: speakers[key] for key in good},
        "utt2fs": {key: rates[key] for key in good},
        "utt2num_samples": {key: items[0].num_samples for key, items in good.items()},
    }
    for index, table in enumerate(("wav.scp", "spk1.scp")):
        tables[table] = {key: items[index].path for key, items in good.items()}
    for table, values in extra.items():
        if all(key in values for key in good):
            tables[table] = {key: values[key] for key in good}
    return tables, write_prepared_set(path, tables, [*rejected, *bad])


def _write_test(
    target: Path,
    pairs: Mapping[str, tuple[Source, Source]],
    log: Mapping[str, tuple[str, str]],
    rate: int,
    num_jobs: int,
) -> str:
    folder = target / "audio" / f"{TEST}_{rate}"
    made = convert_groups(folder, ("noisy", "clean"), pairs, rate, num_jobs, f"{TEST} to {rate} Hz")
    speakers = {key: key.split("_")[0] for key in made}
    extra = {"utt2noise": {key: noise for key, (noise, _) in log.items()}}
    extra["utt2snr"] = {key: snr for key, (_, snr) in log.items()}
    return _write_made(target / TEST, made, speakers, dict.fromkeys(made, rate), [], extra)[1]

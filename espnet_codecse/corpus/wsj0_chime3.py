"""WSJ0-CHiME3: WSJ0 speech and backgrounds of CHiME-3, mixed as published with SGMSE+ (create_wsj0_chime3.py).

Every utterance once: ``si_tr_s`` (train), ``si_dt_05`` (valid) and ``si_et_05`` (test), each with a random stretch of a
random background (channel 1) at an SNR uniform in 0 to 20 dB, all drawn one after the other from seed 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from espnet_codecse.audio import audio_info, resample, write_audio
from espnet_codecse.corpus.location import check_count
from espnet_codecse.corpus.mixing import MAX_PEAK, noise_gain
from espnet_codecse.corpus.parallel import run_parts
from espnet_codecse.corpus.prepared_set import Rejected, key_of, spread, write_prepared_set
from espnet_codecse.corpus.recording import read_recording
from espnet_codecse.corpus.sphere import is_compressed, read_speech, speech_info
from espnet_codecse.corpus.wsj0 import VARIABLE, find_utterances, require_decoder, speaker_of
from espnet_codecse.errors import UserError

NOISE_VARIABLE = "CHIME3"
SPLITS = {"train": "si_tr_s", "valid": "si_dt_05", "test": "si_et_05"}
# Utterances of the close-talking microphone in WSJ0.
COUNTS = {"si_tr_s": 12776, "si_dt_05": 1206, "si_et_05": 651}
RATE = 16000  # Hz, of both corpora
KINDS = {"BUS": "bus", "CAF": "cafe", "PED": "pedestrian", "STR": "street"}
BIN_WIDTH = 5.0  # dB, of the breakdown by SNR


@dataclass(frozen=True)
class Wsj0Chime3Settings:
    """How to mix.

    Attributes:
        rate: sample rate of the audio that is written, Hz; mixing is done at 16 kHz.
        snr_range: dB; (-6, 14) gives the harder set of StoRM.
        seed: seed of everything drawn.
        subset: utterances a set; 0 for all. They are mixed as in the whole set.
        incomplete: take what is there, though it is not what was published.
    """

    rate: int = RATE
    snr_range: tuple[float, float] = (0.0, 20.0)
    seed: int = 0
    subset: int = 0
    incomplete: bool = False


class Mixture(NamedTuple):
    """What is mixed: files, the first sample and number of samples of the noise, and the SNR (dB)."""

    speech: str
    noise: str
    start: int
    num_samples: int
    snr: float


class MixJob(NamedTuple):
    """A mixture, its name, where it is written, and at which rate (Hz)."""

    name: str
    mixture: Mixture
    folder: str
    rate: int


def find_backgrounds(root: Path) -> list[Path]:
    """Return the backgrounds' first channels, sorted by name.

    Raises:
        UserError: there are none.
    """
    found = {path.name: path for path in sorted(root.glob("**/backgrounds/*CH1.wav")) if not path.name.startswith(".")}
    if not found:
        raise UserError(
            f"{NOISE_VARIABLE}: {root}: has no data/audio/16kHz/backgrounds with *.CH1.wav; is it the corpus's top "
            "folder?"
        )
    return [found[name] for name in sorted(found)]


def find_speech(root: Path, incomplete: bool = False) -> dict[str, Path]:
    """Return ``{split/speaker/utterance: file}``, complete.

    Raises:
        UserError: a split is missing or its count is another one, or an utterance is there twice.
    """
    utterances = find_utterances(root, list(SPLITS.values()))
    for split, count in COUNTS.items():
        number = sum(name.startswith(f"{split}/") for name in utterances)
        where = f"{VARIABLE}: {root}"
        check_count(where, number, count, f"utterances in {split}", "copy the corpus again", incomplete)
    return utterances


def plan(
    utterances: dict[str, Path], noises: Sequence[Path], settings: Wsj0Chime3Settings
) -> tuple[dict[str, dict[str, Mixture]], dict[str, list[Rejected]]]:
    """Draw all mixtures: ``({set: {utterance: mixture}}, {set: utterances that cannot be used})``.

    The draws follow each other as in the published script: SNR, background, first sample; train, valid, test.

    Raises:
        UserError: a background is not readable or of another rate.
    """
    lengths = []
    for path in noises:
        num_samples, rate, _ = audio_info(path)
        if rate != RATE:
            raise UserError(f"{path}: wrong rate, {rate} Hz; the backgrounds of CHiME-3 have {RATE} Hz")
        lengths.append(num_samples)
    generator = np.random.RandomState(settings.seed)
    mixtures: dict[str, dict[str, Mixture]] = {name: {} for name in SPLITS}
    rejected: dict[str, list[Rejected]] = {name: [] for name in SPLITS}
    for name, split in SPLITS.items():
        for key, path in utterances.items():
            if not key.startswith(f"{split}/"):
                continue
            utterance = key.rsplit("/", 1)[-1]
            try:
                num_samples, rate, _ = speech_info(path)
                if rate != RATE:
                    raise UserError(f"wrong rate, {rate} Hz; WSJ0 has {RATE} Hz")
                if not num_samples:
                    raise UserError("empty, no samples")
                snr = float(generator.uniform(*settings.snr_range))
                index = int(generator.randint(len(noises)))
                if lengths[index] <= num_samples:
                    raise UserError(f"longer than the background {noises[index].name}")
                start = int(generator.randint(lengths[index] - num_samples))
            except UserError as error:
                rejected[name].append((utterance, str(path), str(error).replace(f"{path}: ", "")))
                continue
            mixtures[name][utterance] = Mixture(str(path), str(noises[index]), start, num_samples, snr)
    return mixtures, rejected


def mix(job: MixJob) -> dict[str, Any]:
    """Write ``<folder>/noisy/<name>.flac``, and ``clean/`` where the corpus's own file cannot be the reference.

    Noise is scaled by the plain energies of both; mixture and reference are turned down together, which the published
    script does not do, only where the mixture would clip.

    Returns:
        ``{"reason": str or None, "path": str, "clean": str, "noisy": str, "num_samples": int}``.
    """
    mixture = job.mixture
    path = mixture.speech
    try:
        speech, rate = read_speech(Path(path))
        if rate != RATE:
            raise UserError(f"wrong rate, {rate} Hz; WSJ0 has {RATE} Hz")
        path = mixture.noise
        noise = read_recording(path, mixture.start, len(speech))[0][:, 0]
        if len(noise) < len(speech):
            raise UserError("cut short, it ends before its header says")
        noisy = speech + noise * noise_gain(speech, noise, mixture.snr)
    except (UserError, ValueError) as error:
        return {"reason": str(error).replace(f"{path}: ", ""), "path": path, "clean": "", "noisy": "", "num_samples": 0}
    peak = float(max(np.abs(noisy).max(), np.abs(speech).max()))
    gain = MAX_PEAK / peak if np.abs(noisy).max() > MAX_PEAK else 1.0
    noisy = resample(gain * noisy, RATE, job.rate)
    target = str(Path(job.folder) / "noisy" / f"{job.name}.flac")
    write_audio(target, noisy, job.rate)
    clean = mixture.speech
    if gain != 1.0 or job.rate != RATE or is_compressed(Path(clean)) or audio_info(clean)[2] != 1:
        clean = str(Path(job.folder) / "clean" / f"{job.name}.flac")
        write_audio(clean, resample(gain * speech, RATE, job.rate), job.rate)
    return {"reason": None, "path": "", "clean": clean, "noisy": target, "num_samples": len(noisy)}


def prepare(
    wsj0: Path, chime3: Path, target: Path, settings: Wsj0Chime3Settings, num_jobs: int, check: bool = False
) -> list[str]:
    """Write ``target/{train,valid,test}``; returns a line for each.

    Args:
        wsj0, chime3: the corpora.
        target: folder of the data directories; mixtures go to ``target/audio``.
        settings: how to mix.
        num_jobs: processes.
        check: only look whether everything is there.

    Raises:
        UserError: something is missing, damaged or not as published.
    """
    utterances, noises = find_speech(wsj0, settings.incomplete), find_backgrounds(chime3)
    require_decoder(list(utterances.values()))
    if check:
        numbers = [(split, sum(key.startswith(f"{split}/") for key in utterances)) for split in SPLITS.values()]
        lines = [f"{wsj0}: {split}: {number} of {COUNTS[split]} utterances" for split, number in numbers]
        return [*lines, f"{chime3}: {len(noises)} backgrounds"]
    mixtures, rejected = plan(utterances, noises, settings)
    lines = []
    for name in SPLITS:
        chosen = spread(mixtures[name], settings.subset)
        folder = target / "audio" / f"{name}_{settings.rate}"
        jobs = [MixJob(utterance, mixture, str(folder), settings.rate) for utterance, mixture in chosen.items()]
        results = run_parts(mix, jobs, folder / f".parts_{key_of(jobs)}", num_jobs, f"mix {name}")
        lines.append(_write(target / name, chosen, dict(zip(chosen, results)), rejected[name], settings))
    return lines


def snr_bin(snr: float, lowest: float) -> float:
    """Return the middle of the 5 dB wide bin, counted from ``lowest``, that ``snr`` (dB) lies in."""
    return lowest + BIN_WIDTH * (np.floor((snr - lowest) / BIN_WIDTH) + 0.5)


def _write(
    path: Path,
    mixtures: dict[str, Mixture],
    results: dict[str, dict[str, Any]],
    rejected: list[Rejected],
    settings: Wsj0Chime3Settings,
) -> str:
    good = {key: result for key, result in results.items() if result["reason"] is None}
    bad = [(key, result["path"], result["reason"]) for key, result in results.items() if result["reason"]]
    lowest = settings.snr_range[0]
    kinds = {key: Path(mixtures[key].noise).name.split(".")[0].rsplit("_", 1)[-1] for key in good}
    tables: dict[str, dict[str, Any]] = {
        "wav.scp": {key: result["noisy"] for key, result in good.items()},
        "spk1.scp": {key: result["clean"] for key, result in good.items()},
        "utt2spk": {key: speaker_of(key) for key in good},
        "utt2fs": dict.fromkeys(good, settings.rate),
        "utt2num_samples": {key: result["num_samples"] for key, result in good.items()},
        # The results table has one column per value: bins centred as in VoiceBank-DEMAND's test set.
        "utt2snr": {key: f"{snr_bin(mixtures[key].snr, lowest):g}" for key in good},
        "utt2snr_exact": {key: f"{mixtures[key].snr:.4f}" for key in good},
        "utt2noise": {key: KINDS.get(kind, kind.lower()) for key, kind in kinds.items()},
    }
    return write_prepared_set(path, tables, rejected + bad)

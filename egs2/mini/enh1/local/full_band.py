#!/usr/bin/env python3
"""Mix full-band speech with noise at 48 kHz, to score what becomes of the band above 8 kHz.

    python3 local/full_band.py --speech SPEECH --noise NOISE --output_dir full_band
    codecse benchmark quality --noisy full_band/noisy --clean full_band/clean --peers deepfilternet \
        --metrics "SI_SDR HIGH_BAND PESQ STOI DNSMOS" --num_threads 1 --output_dir full_band

Recordings at 44.1 kHz or more below SPEECH (a folder of each speaker) and NOISE are used. Utterances of one speaker
follow one another for 4 s or more, at 0, 5, 10 and 15 dB SNR in turn.
"""

import argparse
from pathlib import Path

import numpy as np

from espnet_codecse.audio import audio_info, write_audio
from espnet_codecse.corpus.mixing import add_noise, rms, set_level
from espnet_codecse.corpus.recording import read_recording_channel
from espnet_codecse.corpus.sources import audio_files
from espnet_codecse.errors import UserError

RATE, LEAST_RATE = 48000, 44100  # Hz
SNRS_DB = (0.0, 5.0, 10.0, 15.0)
LEVEL_DB = -26.0  # dBFS
LEAST_SECONDS = 4.0


def read_all(folder: Path) -> dict[Path, np.ndarray]:
    """Return the full-band recordings ``(sample,)`` below a folder."""
    files = [path for path in audio_files(folder) if audio_info(path)[1] >= LEAST_RATE]
    if not files:
        raise UserError(f"{folder}: no recording at {LEAST_RATE} Hz or more; give another folder")
    return {path: read_recording_channel(path, RATE) for path in files}


def speak(utterances: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Return utterances in random order, at one level, until they last long enough."""
    chosen: list[np.ndarray] = []
    while sum(map(len, chosen)) < LEAST_SECONDS * RATE:
        utterance = utterances[rng.integers(len(utterances))]
        chosen.append(utterance / rms(utterance))
    return np.concatenate(chosen)


def main(speech: Path, noise: Path, output_dir: Path, number: int, seed: int) -> None:
    """Write ``noisy`` and ``clean``."""
    rng = np.random.default_rng(seed)
    noises = list(read_all(noise).values())
    speakers: dict[Path, list[np.ndarray]] = {}
    for path, utterance in read_all(speech).items():
        speakers.setdefault(path.parent, []).append(utterance)
    for index in range(number):
        clean = speak(list(speakers.values())[index % len(speakers)], rng)
        mixture, _ = add_noise(clean, noises[rng.integers(len(noises))], SNRS_DB[index % len(SNRS_DB)], rng)
        mixture, (clean,) = set_level(mixture, [clean], LEVEL_DB)
        for kind, signal in (("noisy", mixture), ("clean", clean)):
            (output_dir / kind).mkdir(parents=True, exist_ok=True)
            write_audio(output_dir / kind / f"{index:03}.wav", signal, RATE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, required=True, help="speech, a folder of each speaker")
    parser.add_argument("--noise", type=Path, required=True, help="noise")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder for noisy and clean")
    parser.add_argument("--number", type=int, default=48, help="of mixtures (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    main(**vars(parser.parse_args()))

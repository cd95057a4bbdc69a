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

from espnet_codecse.corpus.mixing import rms
from espnet_codecse.corpus.pairs import write_pair
from espnet_codecse.errors import UserError
from espnet_codecse.high_band.read import read_full_band
from espnet_codecse.high_band.simulate import RATE

SNRS_DB = (0.0, 5.0, 10.0, 15.0)
LEAST_SECONDS = 4.0


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
    noises = read_full_band(noise, "--noise")
    speakers = [read_full_band(path, "--speech") for path in sorted(speech.iterdir()) if path.is_dir()]
    if not speakers:
        raise UserError(f"--speech {speech}: no folder in it; give one with a folder of each speaker")
    for index in range(number):
        clean = speak(speakers[index % len(speakers)], rng)
        noise_drawn, snr_db = noises[rng.integers(len(noises))], SNRS_DB[index % len(SNRS_DB)]
        write_pair(output_dir, f"{index:03}", clean, noise_drawn, snr_db, RATE, rng)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, required=True, help="speech, a folder of each speaker")
    parser.add_argument("--noise", type=Path, required=True, help="noise")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder for noisy and clean")
    parser.add_argument("--number", type=int, default=48, help="of mixtures (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    main(**vars(parser.parse_args()))

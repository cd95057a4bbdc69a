"""Corpora in their official layout, in small: folders, file names, rates and lists as published, generated audio."""

from pathlib import Path
from typing import Callable, Dict

import numpy as np
import soundfile

VCTK_TRAIN = [f"{speaker}_{number:03d}" for speaker in ("p226", "p227", "p228", "p230", "p287") for number in (1, 2)]
VCTK_TEST = [f"{speaker}_{number:03d}" for speaker in ("p232", "p257") for number in (1, 2)]


def vctk_demand(root: Path) -> Path:
    """VoiceBank-DEMAND: half a second at 48 kHz of each of 14 utterances, and the logs."""
    rng = np.random.default_rng(0)
    for name, utterances in (("testset", VCTK_TEST), ("trainset_28spk", VCTK_TRAIN)):
        for utterance in utterances:
            clean = 0.1 * rng.standard_normal(24000)
            for kind, samples in (("clean", clean), ("noisy", clean + 0.02 * rng.standard_normal(24000))):
                path = root / f"{kind}_{name}_wav" / f"{utterance}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, samples, 48000)
        (root / "logfiles").mkdir(exist_ok=True)
        lines = [
            f"{utterance} {'bus' if number % 2 else 'cafe'} {2.5 + 5 * (number % 4)}\n"
            for number, utterance in enumerate(utterances)
        ]
        (root / "logfiles" / f"log_{name}.txt").write_text("".join(lines))
    return root


BUILDERS: Dict[str, Callable[[Path], Path]] = {"vctk_demand": vctk_demand}

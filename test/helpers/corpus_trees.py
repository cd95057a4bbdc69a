"""Corpora in their official layout, in small: folders, file names, rates and lists as published, generated audio."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import urgent_tree
from sphere_files import write_sphere

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


# Utterances of WSJ0 by disc and split, their lengths in samples at 16 kHz.
WSJ0 = {
    "11-1.1/wsj0/si_tr_s": {"01t": ("01to030v", "01to030w", "01tc020a"), "40p": ("40po031a", "40po031b", "40po031c")},
    "11-6.1/wsj0/si_dt_05": {"050": ("050a0501", "050a0502"), "22g": ("22ga010b",)},
    "11-14.1/wsj0/si_et_05": {"440": ("440c0201", "440c0202"), "441": ("441c0203",)},
}
WSJ0_MIX = {
    "tr": [
        ("si_tr_s/01t/01to030v", "1.9857", "si_tr_s/40p/40po031a"),
        ("si_tr_s/40p/40po031b", "0.059714", "si_tr_s/01t/01to030w"),
        ("si_tr_s/01t/01tc020a", "0.45012", "si_tr_s/40p/40po031c"),
        ("si_tr_s/01t/01to030v", "2.4", "si_tr_s/40p/40po031c"),
    ],
    "cv": [
        ("si_tr_s/40p/40po031b", "1.25", "si_tr_s/01t/01tc020a"),
        ("si_tr_s/01t/01to030w", "0.5", "si_tr_s/40p/40po031a"),
    ],
    "tt": [
        ("si_et_05/440/440c0201", "2.0178", "si_dt_05/050/050a0501"),
        ("si_dt_05/22g/22ga010b", "0", "si_et_05/441/441c0203"),
    ],
}


def _bursts(num_samples: int, seed: int) -> np.ndarray:
    """Noise in bursts with a pause ``(num_samples,)``, RMS about 0.02, as WSJ0's level is."""
    signal = 0.04 * np.random.default_rng(seed).standard_normal(num_samples)
    signal[num_samples // 2 : num_samples // 2 + 4000] *= 0.01
    return signal * (0.55 + 0.45 * np.sin(2 * np.pi * 3.0 * np.arange(num_samples) / 16000))


def wsj0(root: Path) -> Path:
    """WSJ0 on three of its discs: about a second of each of 12 utterances as uncompressed SPHERE, two microphones."""
    seed = 0
    for folder, speakers in WSJ0.items():
        for speaker, utterances in speakers.items():
            for utterance in utterances:
                seed += 1
                samples = _bursts(16000 + 640 * seed, seed)
                write_sphere(root / folder / speaker / f"{utterance}.wv1", samples)
                write_sphere(root / folder / speaker / f"{utterance}.wv2", samples[::-1])
    return root


def wsj0_2mix(root: Path) -> Path:
    """Raw WSJ0, and mixing lists of eight mixtures in the published form beside it."""
    wsj0(root)
    for part, lines in WSJ0_MIX.items():
        text = "".join(f"wsj0/{a}.wav {level} wsj0/{b}.wav -{level}\n" for a, level, b in lines)
        (root / f"mix_2_spk_{part}.txt").write_text(text)
    return root


def wsj0_2mix_tree(root: Path, rate: int = 8000, length: str = "min") -> Path:
    """An existing tree of the same mixtures, as the published scripts write it."""
    seed = 100
    for part, lines in WSJ0_MIX.items():
        for first, level, second in lines:
            seed += 1
            speakers = [_bursts(rate + 640 * seed % 999, number) for number in (seed, 2 * seed)]
            name = f"{first[-8:]}_{level}_{second[-8:]}_-{level}.wav"
            for kind, samples in zip(("mix", "s1", "s2"), (sum(speakers), *speakers)):
                path = root / "2speakers" / f"wav{rate // 1000}k" / length / part / kind / name
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, samples, rate)
    return root


def wsj0_chime3(root: Path) -> Path:
    """WSJ0 in ``wsj0`` and, in ``CHiME3``, ten seconds of two channels of four backgrounds."""
    wsj0(root / "wsj0")
    rng = np.random.default_rng(0)
    for place in ("BUS", "CAF", "PED", "STR"):
        for channel in (1, 2):
            name = f"BGD_150203_010_{place}.CH{channel}.wav"
            path = root / "CHiME3" / "data" / "audio" / "16kHz" / "backgrounds" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.01 * rng.standard_normal(160000), 16000)
    return root


DNS_TEST_IDS = (0, 14, 158)


def _voice(rng: np.random.Generator, seconds: float, rate: int = 16000) -> np.ndarray:
    """Harmonics that swell three times a second."""
    place = np.arange(int(seconds * rate)) / rate
    pitch = rng.uniform(90, 220)
    tone = sum(np.sin(2 * np.pi * pitch * k * place) / k for k in range(1, 8))
    return 0.1 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * place)) + 1e-3 * rng.standard_normal(len(place))


def dns(root: Path) -> Path:
    """DNS-Challenge, Interspeech 2020, with the room responses of the later editions: 16 kHz, about a second each."""
    rng = np.random.default_rng(0)

    def write(name: str, samples: np.ndarray, rate: int = 16000) -> None:
        path = root / "datasets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, rate)

    for number in range(12):
        reader = 6709 + number // 3
        write(f"clean/book_{number:05d}_chp_0009_reader_{reader:05d}_{number}.wav", _voice(rng, 0.7))
    for number in range(5):
        write(f"noise/fan_Freesound_validated_{number}_0.wav", 0.05 * rng.standard_normal(12000))
    rows = ["wavfile,channel,T60_WB,C50_WB,isRealRIR"]
    for number, (name, real) in enumerate(
        (
            ("SLR26/simulated_rirs_16k/smallroom/Room001/Room001-00001.wav", 0),
            ("SLR28/RIRS_NOISES/real_rirs_isotropic_noises/air_type1_air_binaural_lecture_0_1.wav", 1),
        )
    ):
        response = 0.1 * rng.standard_normal((4000, 1 + real)) * np.exp(-np.arange(4000) / 600)[:, None]
        response[:40], response[40] = 0.0, 1.0
        write(f"impulse_responses/{name}", 0.5 * response)
        rows.append(f"datasets/impulse_responses/{name},{1 + real},{0.4 + 0.5 * number},10.0,{real}")
    table = root / "datasets" / "acoustic_params" / "RIR_table_simple.csv"
    table.parent.mkdir()
    table.write_text("\n".join(rows) + "\n")
    for name in ("no_reverb", "with_reverb"):
        for fileid in DNS_TEST_IDS:
            clean = _voice(rng, 0.8)
            noisy = f"clnsp1_train_69005_1_snr{fileid % 5}_tl-21_fileid_{fileid}.wav"
            write(f"test_set/synthetic/{name}/clean/clean_fileid_{fileid}.wav", clean)
            write(f"test_set/synthetic/{name}/noisy/{noisy}", clean + 0.03 * rng.standard_normal(len(clean)))
    for name in ("audioset_realrec_car__1h9umA8agI", "ms_realrec_headset_cafe_spk0_3 (1)"):
        write(f"test_set/real_recordings/{name}.wav", _voice(rng, 0.8))
    return root


def urgent(root: Path) -> Path:
    """The URGENT 2024 challenge's repository, prepared, and VoiceBank-DEMAND in ``vctk_demand``."""
    urgent_tree.build(root / "urgent2024_challenge")
    vctk_demand(root / "vctk_demand")
    return root


BUILDERS: dict[str, Callable[[Path], Path]] = {
    "dns": dns,
    "urgent": urgent,
    "vctk_demand": vctk_demand,
    "wsj0_2mix": wsj0_2mix,
    "wsj0_chime3": wsj0_chime3,
}

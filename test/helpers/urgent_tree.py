"""The URGENT 2024 challenge's repository after its preparation, in small: lists with relative paths, mixed rates."""

from pathlib import Path

import numpy as np
import soundfile

# Speech by id: speaker, rate in Hz, file.
SPEECH: dict[str, tuple[str, int, str]] = {
    "p225_001": ("vctk_p225", 48000, "./vctk/VCTK-Corpus/wav48/p225/p225_001.wav"),
    "p225_002": ("vctk_p225", 48000, "./vctk/VCTK-Corpus/wav48/p225/p225_002.wav"),
    "p227_001": ("vctk_p227", 48000, "./vctk/VCTK-Corpus/wav48/p227/p227_001.wav"),
    "103_1240_000000_000001": ("libritts_103", 24000, "./libritts/resampled/train/24000/103_1240_000000_000001.flac"),
    "911_130578_000005_000000": ("libritts_911", 22050, "./libritts/resampled/train/22050/911_130578_5.flac"),
    "common_voice_en_1": ("cv11_0a1b", 16000, "./datasets_cv11_en/resampled/16000/common_voice_en_1.flac"),
    "common_voice_en_2": ("cv11_0a1b", 32000, "./datasets_cv11_en/resampled/32000/common_voice_en_2.flac"),
    "common_voice_en_3": ("cv11_ffff", 44100, "./datasets_cv11_en/resampled/44100/common_voice_en_3.flac"),
    "book_00000_chp_0009_reader_06709_0": ("dns5_06709", 8000, "./dns5_fullband/resampled/8000/book_06709_0.flac"),
    "book_00000_chp_0009_reader_06710_0": ("dns5_06710", 8000, "./dns5_fullband/resampled/8000/book_06710_0.flac"),
}
VALIDATION = {"fileid_1": ("vctk_p226", 48000), "fileid_2": ("libritts_84", 24000), "fileid_3": ("cv11_2222", 8000)}
NOISE = [
    (f"./dns5_fullband/resampled/noise/48000/{name}.wav", 48000)
    for name in ("door_Freesound_validated_1_0", "door_Freesound_validated_1_1", "fan_Freesound_validated_2_0", "-0aBc")
]
NOISE += [("./dns5_fullband/resampled/noise/8000/xY_8.wav", 8000)]
NOISE += [("./wham/tr/01aa010b_0.97_209a010p_-0.97.wav", 48000)]
ROOMS = [
    "./dns5_fullband/datasets_fullband/impulse_responses/SLR26/largeroom/Room001/Room001-00001.wav",
    "./dns5_fullband/datasets_fullband/impulse_responses/SLR28/real_rirs/air_type1_air_binaural_0_1.wav",
]


def write(path: Path, samples: np.ndarray, rate: int) -> None:
    """Write audio and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)


def speech(rng: np.random.Generator, rate: int, seconds: float = 1.2) -> np.ndarray:
    """Harmonics up to half the rate, that swell three times a second."""
    place = np.arange(int(seconds * rate)) / rate
    pitch = rng.uniform(150, 250)
    tone = sum(np.sin(2 * np.pi * pitch * k * place + k) / np.sqrt(k) for k in range(1, int(0.45 * rate / pitch)))
    return 0.05 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * place))


def write_tables(directory: Path, rows: dict[str, tuple[str, int, str, str]]) -> None:
    """Write a data directory of ``{id: (speaker, rate, mixture, reference)}`` as the challenge's scripts do."""
    directory.mkdir(parents=True, exist_ok=True)
    tables: dict[str, list[str]] = {}
    for key, (speaker, rate, noisy, clean) in sorted(rows.items()):
        values = {
            "wav.scp": noisy,
            "spk1.scp": clean,
            "utt2spk": speaker,
            "utt2fs": rate,
            "utt2category": f"1ch_{rate}Hz",
            "text": "<not-available>",
        }
        for name, value in values.items():
            tables.setdefault(name, []).append(f"{key} {value}\n")
    for name, lines in tables.items():
        (directory / name).write_text("".join(lines))
    speakers = sorted({speaker for speaker, *_ in rows.values()})
    lines = [f"{name} {' '.join(key for key in sorted(rows) if rows[key][0] == name)}\n" for name in speakers]
    (directory / "spk2utt").write_text("".join(lines))


def write_simulated(root: Path, name: str, rows: dict[str, tuple[str, int]], rng: np.random.Generator) -> None:
    """Write ``simulation_<name>/{noisy,clean}`` and ``data/<name>`` of ``{id: (speaker, rate)}``."""
    paths = {key: [f"./simulation_{name}/{kind}/{key}.flac" for kind in ("noisy", "clean")] for key in rows}
    for key, (_, rate) in rows.items():
        clean = speech(rng, rate)
        write(root / paths[key][0], clean + 0.03 * rng.standard_normal(len(clean)), rate)
        write(root / paths[key][1], clean, rate)
    write_tables(root / "data" / name, {key: (*rows[key], *paths[key]) for key in rows})


def build(root: Path) -> Path:
    """Write the repository: about a second of each of ten utterances, six noises and two room responses."""
    rng = np.random.default_rng(0)
    for _, rate, path in SPEECH.values():
        write(root / path, speech(rng, rate), rate)
    write_tables(root / "data" / "speech_train", {key: (*row, row[-1]) for key, row in SPEECH.items()})
    write_simulated(root, "validation", VALIDATION, rng)
    for number, (path, rate) in enumerate(NOISE):
        # Shorter than the speech and longer, in turn.
        write(root / path, 0.05 * rng.standard_normal(rate * (1 + 2 * (number % 2)) // 2), rate)
    for number, path in enumerate(ROOMS):
        response = 0.05 * rng.standard_normal((24000, 1 + number)) * np.exp(-np.arange(24000) / 4000)[:, None]
        response[:200], response[200] = 0.0, 0.9
        write(root / path, response, 48000)
    (root / "data" / "noise_train.scp").write_text("".join(f"{path}\n" for path, _ in NOISE))
    (root / "data" / "rir_train.scp").write_text("".join(f"{path}\n" for path in ROOMS))
    return root

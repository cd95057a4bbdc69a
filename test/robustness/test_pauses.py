"""Speech is enhanced as well in a track that is mostly silent as by itself."""

import numpy as np
import pytest
import soundfile

from espnet_codecse.bin.main import main
from espnet_codecse.corpus.mixing import noise_gain
from espnet_codecse.corpus.noise import coloured
from espnet_codecse.corpus.synthesis import synthesise
from espnet_codecse.metrics.sdr import si_sdr
from espnet_codecse.zoo.load import load_enhancer

RATE = 16000
TEXT = "The quiet teacher painted seven wooden boxes beside the river."


@pytest.fixture(scope="module")
def enhancer():
    return load_enhancer("nac_se", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def pieces():
    """Four ``(clean, noisy)`` utterances of synthesised voices, at -32 dBFS and 5 dB SNR."""
    jobs = [{"text": TEXT, "voice": "en-us", "rate": 150, "pitch": pitch, "range": 50} for pitch in (30, 40, 50, 60)]
    found = []
    for index, samples in enumerate(synthesise(jobs, RATE)):
        clean = 0.025 * samples / samples.std()
        noise = coloured(np.random.default_rng(index), len(clean), RATE, 1.0)
        found.append((clean, (clean + noise_gain(clean, noise, 5.0) * noise).astype(np.float32)))
    return found


def enhance(enhancer, samples):
    pieces = enhancer.enhance_long(lambda start, count: samples[start : start + count], len(samples))
    return np.concatenate([piece["continuous"][0] for piece in pieces])


def scores(pairs):
    """Return the mean PESQ and SI-SDR (dB) of ``(clean, enhanced)``."""
    from pesq import pesq

    return np.mean([(pesq(RATE, clean, found, "wb"), si_sdr(clean, found)) for clean, found in pairs], axis=0)


@pytest.fixture(scope="module")
def alone(enhancer, pieces):
    return scores([(clean, enhance(enhancer, noisy)) for clean, noisy in pieces])


def floor(num_samples, level_db):
    return (10 ** (level_db / 20) * np.random.default_rng(7).standard_normal(num_samples)).astype(np.float32)


def track_of(pieces, pause):
    """Return ``(samples, first sample of each piece)`` of ``pieces`` with ``pause`` around each of them."""
    parts, places, position = [], [], 0
    for _, noisy in pieces:
        places.append(position + len(pause))
        parts += [pause, noisy]
        position += len(pause) + len(noisy)
    return np.concatenate([*parts, pause]), places


@pytest.mark.slow
@pytest.mark.parametrize("level_db", [-np.inf, -80, -60])
@pytest.mark.parametrize("seconds", [0.5, 20], ids=["short", "long"])  # 11 and 83 % of the track
def test_track_with_pauses(enhancer, pieces, alone, seconds, level_db):
    pause = floor(round(seconds * RATE), level_db)
    track, places = track_of(pieces, pause)
    enhanced = enhance(enhancer, track)
    assert len(enhanced) == len(track)
    found = scores([(clean, enhanced[at : at + len(clean)]) for (clean, _), at in zip(pieces, places)])
    assert found[0] > alone[0] - 0.05 and found[1] > alone[1] - 0.3
    # Pauses do not become louder than they came.
    last = slice(len(track) - len(pause) // 2, len(track))
    assert np.square(enhanced[last]).mean() <= np.square(track[last]).mean() * 1.01


@pytest.mark.slow
def test_padded_batch(enhancer, pieces, alone):
    longest = 4 * max(len(noisy) for _, noisy in pieces)
    padded = [np.pad(noisy, (0, longest - len(noisy))) for _, noisy in pieces]
    outputs = [output["continuous"][0] for output in enhancer.enhance_batch(padded)]
    found = scores([(clean, output[: len(clean)]) for (clean, _), output in zip(pieces, outputs)])
    assert found[0] > alone[0] - 0.05 and found[1] > alone[1] - 0.3


@pytest.mark.slow
def test_pause_of_clean_speech(enhancer, pieces):
    clean = [clean.astype(np.float32) for clean, _ in pieces]
    expected = scores([(samples, enhance(enhancer, samples)) for samples in clean])
    pause = np.zeros(20 * RATE, np.float32)
    found = scores(
        [(samples, enhance(enhancer, np.concatenate([samples, pause, samples]))[: len(samples)]) for samples in clean]
    )
    assert found[0] > expected[0] - 0.05


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0.1, 0.2])
def test_constant_offset(enhancer, pieces, alone, offset):
    found = scores([(clean, enhance(enhancer, noisy + np.float32(offset))) for clean, noisy in pieces])
    assert found[0] > alone[0] - 0.05 and found[1] > alone[1] - 0.3


@pytest.mark.slow
def test_rumble(enhancer, pieces, alone):
    pairs = []
    for clean, noisy in pieces:
        rumble = 0.1 * np.sin(2 * np.pi * 10 / RATE * np.arange(len(noisy)))
        pairs.append((clean, enhance(enhancer, (noisy + rumble).astype(np.float32))))
    found = scores(pairs)
    assert found[0] > alone[0] - 0.05 and found[1] > alone[1] - 0.3


def enhance_codes(folder, recordings, source):
    """Return ``{name: samples}`` of recordings that were enhanced to codes, from codes or from waveforms."""
    paths = []
    for name, samples in recordings.items():
        paths.append(folder / f"{name}.wav")
        soundfile.write(paths[-1], samples, RATE, subtype="FLOAT")
    arguments = [str(path) for path in paths]
    if source == "codes":
        assert main(["encode", *arguments, "-o", str(folder / "encoded"), "--codec", "small"]) == 0
        arguments = [str(folder / "encoded" / f"{name}.cse") for name in recordings]
    better = folder / "better"
    assert main(["enhance", "--from", source, "--to", "codes", *arguments, "-o", str(better), "--jobs", "1"]) == 0
    assert main(["decode", str(better), "-o", str(folder / "decoded"), "--format", "wav"]) == 0
    return {name: soundfile.read(folder / "decoded" / f"{name}.wav", dtype="float32")[0] for name in recordings}


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0.0, 0.2], ids=["", "offset"])
@pytest.mark.parametrize("level_db", [-np.inf, -80, -60])
def test_codes_of_a_track_with_pauses(tmp_path, pieces, level_db, offset):
    track, places = track_of(pieces, floor(20 * RATE, level_db))
    recordings = {str(index): noisy for index, (_, noisy) in enumerate(pieces)}
    outputs = enhance_codes(tmp_path, {**recordings, "track": track + np.float32(offset)}, "wave")
    alone = scores([(clean, outputs[str(index)]) for index, (clean, _) in enumerate(pieces)])
    found = scores([(clean, outputs["track"][at : at + len(clean)]) for (clean, _), at in zip(pieces, places)])
    assert found[0] > alone[0] - 0.05 and found[1] > alone[1] - 0.3
    # Pauses do not become louder; the codec codes digital silence at -94 dBFS.
    last = slice(len(track) - 10 * RATE, len(track))
    assert np.square(outputs["track"][last]).mean() <= np.square(track[last]).mean() * 2 + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("level_db", [-np.inf, -80])
def test_track_with_pauses_from_codes(tmp_path, pieces, level_db):
    track, places = track_of(pieces, floor(20 * RATE, level_db))
    recordings = {str(index): noisy for index, (_, noisy) in enumerate(pieces)}
    outputs = enhance_codes(tmp_path, {**recordings, "track": track}, "codes")
    alone = scores([(clean, outputs[str(index)]) for index, (clean, _) in enumerate(pieces)])
    found = scores([(clean, outputs["track"][at : at + len(clean)]) for (clean, _), at in zip(pieces, places)])
    assert found[0] > alone[0] - 0.05 and found[1] > alone[1] - 0.3

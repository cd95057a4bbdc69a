"""Whatever rate, length, number of channels and level a recording has, its output is in time, as long and as loud."""

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from espnet_codecse.audio import resample
from espnet_codecse.bin.main import main
from espnet_codecse.corpus.mixing import noise_gain
from espnet_codecse.corpus.noise import coloured
from espnet_codecse.corpus.synthesis import synthesise
from espnet_codecse.metrics.sdr import si_sdr
from espnet_codecse.recording.formats import choose_format
from espnet_codecse.recording.reader import RecordingReader
from espnet_codecse.recording.writer import RecordingWriter

RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000)


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    """A sentence of a synthesised voice in noise at 5 dB SNR, at 96 kHz, without anything above 3.5 kHz."""
    text = "The quiet teacher painted seven wooden boxes."
    (speech,) = synthesise([{"text": text, "voice": "en-us", "rate": 150, "pitch": 45, "range": 50}], 7000)
    noise = coloured(np.random.default_rng(0), len(speech), 7000, 1.0)
    mixture = speech + noise_gain(speech, noise, 5.0) * noise
    return resample((0.05 * mixture / mixture.std()).astype(np.float32), 7000, 96000)


def enhanced_at(folder, noisy: np.ndarray, rate: int) -> np.ndarray:
    """Return the output at 96 kHz of the recording at ``rate``."""
    given_samples = resample(noisy, 96000, rate)
    soundfile.write(folder / f"{rate}.wav", given_samples, rate, subtype="FLOAT")
    assert main(["enhance", str(folder / f"{rate}.wav"), "-o", str(folder / "out"), "--device", "cpu"]) == 0
    samples, found_rate = soundfile.read(folder / "out" / f"{rate}.wav", dtype="float32")
    assert found_rate == rate and samples.shape == given_samples.shape
    return resample(samples, rate, 96000)[: len(noisy)]


@pytest.mark.slow
def test_every_rate_gives_the_same_speech_at_the_same_time(tmp_path, noisy):
    expected = enhanced_at(tmp_path, noisy, 16000)
    for rate in RATES:
        found = enhanced_at(tmp_path, noisy, rate)
        size = min(len(found), len(expected))
        correlation = np.fft.irfft(np.fft.rfft(found[:size], 2 * size) * np.fft.rfft(expected[:size], 2 * size).conj())
        lag = int(np.argmax(correlation))
        lag = lag - 2 * size if lag > size else lag
        assert abs(lag) <= 96000 // rate  # one sample of the recording
        assert abs(20 * np.log10(found[:size].std() / expected[:size].std())) < 0.5, rate
        assert si_sdr(expected[:size], found[:size]) > 15, rate


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.integers(2000, 200_000),
    num_samples=st.integers(1, 20_000),
    channels=st.integers(1, 6),
    level_db=st.floats(-80, -1),
    step=st.integers(1, 5000),
)
def test_reading_and_writing_is_the_identity(tmp_path, rate, num_samples, channels, level_db, step):
    time = np.arange(num_samples)[:, None] / rate
    # Tones within the band of both rates.
    frequencies = 0.3 * min(rate, 16000) / 2 * (1 + np.arange(channels) / channels)
    samples = 10 ** (level_db / 20) * np.sin(2 * np.pi * frequencies * time + np.arange(channels))
    path, output = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(path, samples, rate, subtype="FLOAT")
    with RecordingReader(path, 16000) as reader:
        form = choose_format(reader.format, reader.subtype, ".wav", rate, channels, num_samples)
        with RecordingWriter([output], form, rate, channels, num_samples, 16000) as writer:
            for start in range(0, reader.num_output, step):
                writer.write(reader.read(start, min(step, reader.num_output - start))[None])
            writer.finish()
    found, found_rate = soundfile.read(output, always_2d=True)
    assert found_rate == rate and found.shape == samples.shape
    edge = round(0.02 * rate)  # a resampler rings where a tone begins and ends
    inner = slice(edge, -edge)
    if num_samples > 4 * edge:
        assert np.abs(found[inner] - samples[inner]).max() < 0.01 * 10 ** (level_db / 20)

"""Reading at the codec's rate and writing at the input's: lengths, alignment, exactness, broken files."""

import numpy as np
import pytest
import soundfile

from espnet_codecse.audio import StreamingResampler, audio_info, read_audio, resample
from espnet_codecse.errors import UserError
from espnet_codecse.recording.formats import choose_format
from espnet_codecse.recording.reader import RecordingReader, reason_of, samples_at
from espnet_codecse.recording.writer import RecordingWriter

RATES = (8000, 11025, 16000, 22050, 44100, 48000, 96000)


def copy(path, output, codec_rate=16000, gain=1.0, step=4000, mono=False, **options):
    """Pass a recording through both streams."""
    with RecordingReader(path, codec_rate, mono) as reader:
        form = choose_format(reader.format, reader.subtype, path.suffix, reader.rate, reader.num_channels, 1)
        with RecordingWriter(
            [output], form, reader.rate, reader.num_channels, reader.num_samples, codec_rate, path, mono, **options
        ) as writer:
            for start in range(0, reader.num_output, step):
                writer.write(gain * reader.read(start, min(step, reader.num_output - start))[None])
            writer.finish()
    return writer


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("num_samples", [1, 2, 1001, 30011])
def test_length_is_exact_at_every_rate(tmp_path, write, rate, num_samples):
    path = write(tmp_path / "a.wav", rate=rate, num_samples=num_samples, channels=2)
    copy(path, tmp_path / "b.wav")
    samples, found = soundfile.read(tmp_path / "b.wav")
    assert found == rate and samples.shape == (num_samples, 2)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_no_delay_and_the_same_level(tmp_path, rate):
    tone = 0.3 * np.sin(2 * np.pi * 700 * np.arange(2 * rate) / rate)
    soundfile.write(tmp_path / "a.wav", tone, rate, subtype="FLOAT")
    copy(tmp_path / "a.wav", tmp_path / "b.wav")
    assert np.abs(soundfile.read(tmp_path / "b.wav")[0] - tone)[1000:-1000].max() < 2e-4


@pytest.mark.parametrize("rate, target", [(44100, 16000), (16000, 44100), (8000, 16000), (16000, 16000)])
def test_streaming_resampler_equals_the_whole(rate, target):
    samples = np.random.default_rng(0).standard_normal((30000, 2)).astype(np.float32)
    stream = StreamingResampler(rate, target, 2)
    pieces = [stream.push(samples[start : start + 777]) for start in range(0, 30000, 777)]
    pieces.append(stream.push(np.zeros((0, 2), np.float32), last=True))
    assert np.allclose(np.concatenate(pieces), resample(samples, rate, target), atol=1e-6)


@pytest.mark.parametrize(
    "suffix, subtype",
    [
        ("wav", "PCM_U8"),
        ("wav", "PCM_16"),
        ("wav", "PCM_24"),
        ("wav", "PCM_32"),
        ("wav", "FLOAT"),
        ("wav", "DOUBLE"),
        ("flac", "PCM_16"),
        ("flac", "PCM_24"),
        ("aiff", "PCM_S8"),
        ("w64", "PCM_24"),
    ],
)
def test_nothing_mixed_in_is_the_input_itself_and_the_residual_adds_up(tmp_path, suffix, subtype):
    samples = np.random.default_rng(0).uniform(-1, 1, (20001, 2))
    samples[:2] = [[1, -1], [-1, 1]]
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, samples, 44100, subtype=subtype)
    given = soundfile.read(path)[0]
    output, residual = tmp_path / f"b.{suffix}", tmp_path / f"r.{suffix}"
    writer = copy(path, output, mix=0.0, residual=residual)
    assert np.array_equal(soundfile.read(output)[0], given)
    assert not soundfile.read(residual)[0].any() and writer.num_limited == 0
    assert soundfile.info(output).subtype == subtype
    copy(path, output, gain=0.4, mix=0.5, residual=residual)
    total = soundfile.read(output)[0] + soundfile.read(residual)[0]
    assert np.abs(total - given).max() <= (2e-7 if subtype == "FLOAT" else 0.0)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_beyond_full_scale_is_limited_and_counted(tmp_path, write, rate):
    path = write(tmp_path / "a.wav", rate=rate, channels=2)
    writer = copy(path, tmp_path / "b.wav", gain=40.0, residual=tmp_path / "r.wav")
    samples = soundfile.read(tmp_path / "b.wav", dtype="int16")[0]
    assert writer.num_limited > 100 and -32768 < samples.min() < -30000 and samples.max() > 30000
    # Limited, not cut: no two neighbours are both at the limit.
    at_limit = np.abs(samples.astype(int)).max(1) >= 32767
    assert not (at_limit[1:] & at_limit[:-1]).any() and len(samples) == soundfile.info(path).frames
    path = write(tmp_path / "f.wav", subtype="FLOAT")
    assert copy(path, tmp_path / "g.wav", gain=40.0).num_limited == 0
    assert np.abs(soundfile.read(tmp_path / "g.wav")[0]).max() > 2


def test_estimates_that_are_no_numbers_leave_no_file(tmp_path, write):
    path = write(tmp_path / "a.wav")
    with pytest.raises(UserError, match="estimate is not a number"):
        copy(path, tmp_path / "b.wav", gain=float("nan"))
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]


def test_mono_is_the_average(tmp_path, write):
    path = write(tmp_path / "a.wav", channels=3)
    copy(path, tmp_path / "b.wav", mono=True, mix=0.3)
    expected = soundfile.read(path)[0].mean(1)
    assert np.abs(soundfile.read(tmp_path / "b.wav")[0] - expected).max() <= 1 / 32768


def read_all(path):
    with RecordingReader(path, 16000) as reader:
        return reader.read(0, reader.num_output)


def refused(path) -> str:
    with pytest.raises(UserError) as caught:
        read_all(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def test_broken_recordings(tmp_path, write):
    bad = tmp_path / "bad.wav"
    samples = np.zeros(90000, np.float32)
    samples[70000] = np.nan
    soundfile.write(bad, samples, 16000, subtype="FLOAT")
    assert "sample 70000 is not a number" in refused(bad)
    soundfile.write(bad, np.zeros(0), 16000)
    assert "holds no samples" in refused(bad)
    bad.write_bytes(b"no audio at all")
    assert "not readable as audio" in refused(bad)
    bad.write_bytes(b"")
    assert "not readable as audio" in refused(bad)
    (tmp_path / "x.raw").write_bytes(b"\0" * 100)
    assert "not readable as audio" in refused(tmp_path / "x.raw")
    assert "no such audio file" in refused(tmp_path / "none.wav")
    whole = write(tmp_path / "a.flac", seconds=20).read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    assert "broken" in refused(tmp_path / "cut.flac")


def test_mp3_without_a_length_in_its_header(tmp_path, write):
    data = write(tmp_path / "a.mp3", seconds=10).read_bytes()
    cut = tmp_path / "cut.mp3"
    cut.write_bytes(data[3000 : 2 * len(data) // 3])
    copy(cut, tmp_path / "b.mp3")
    readable = len(read_audio(cut)[0])
    assert abs(readable - 16000 * 10 * (2 * len(data) / 3 - 3000) / len(data)) < 16000
    assert readable == len(soundfile.read(tmp_path / "b.mp3")[0])


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "GSM610", "G721_32", "NMS_ADPCM_16"])
def test_formats_that_cannot_be_sought_in(tmp_path, write, subtype):
    path = write(tmp_path / "a.wav", rate=8000, num_samples=9600, subtype=subtype)
    copy(path, tmp_path / "b.wav", residual=tmp_path / "r.wav")
    before, after = soundfile.info(path), soundfile.info(tmp_path / "b.wav")
    assert (after.subtype, after.frames) == (subtype, before.frames)
    assert np.corrcoef(soundfile.read(path)[0], soundfile.read(tmp_path / "b.wav")[0])[0, 1] > 0.9


@pytest.mark.parametrize("num_samples", [4160, 4000, 9600])
def test_gsm_keeps_its_length(tmp_path, write, num_samples):
    path = write(tmp_path / "a.wav", rate=8000, num_samples=num_samples, subtype="GSM610")
    copy(path, tmp_path / "b.wav")
    assert audio_info(path)[0] == audio_info(tmp_path / "b.wav")[0] == num_samples


def test_reasons_name_no_path():
    assert reason_of(UserError("/a b/c.wav: holds no samples"), "/a b/c.wav") == "holds no samples"
    assert reason_of(KeyError("x\ny"), "c.wav") == "KeyError: 'x\\ny'"
    assert reason_of(MemoryError("Unable to allocate 4 GiB"), "c.wav").startswith("out of memory; free some memory")
    assert samples_at(1, 48000, 16000) == 1 and samples_at(44100, 44100, 16000) == 16000

"""What a worker does: waveforms and codes, alone and together, short and long."""

import dataclasses
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from voices import voice

from espnet_codecse.codec import load_codec
from espnet_codecse.codec.bitstream import BitstreamReader, BitstreamWriter
from espnet_codecse.enh.enhancer import EmbeddingEnhancer
from espnet_codecse.recording.find import Recording
from espnet_codecse.recording.job import Job, Options
from espnet_codecse.recording.make_jobs import make_job, make_jobs, make_units
from espnet_codecse.recording.processors import EmbeddingProcessor
from espnet_codecse.recording.work import Worker
from espnet_codecse.zoo.load import load_enhancer


@pytest.fixture
def run(tmp_path, model, codec_folder):
    """Return a function that works on paths and returns the outcomes and the worker."""

    def run(paths, folder="out", together=False, num_speakers=1, **options):
        options = {"model": model, "dtype": "float32", **options}
        done = multiprocessing.get_context("spawn").Value("d", 0.0)
        worker = Worker(Options(**options), done)
        jobs = [
            make_job(Recording(path, Path(path.name)), tmp_path / folder, worker.options, None, False, num_speakers)
            for path in paths
        ]
        reports = [worker.run(unit) for unit in ([jobs] if together else [[job] for job in jobs])]
        outcomes = [outcome for report in reports for outcome in report.outcomes]
        assert done.value == pytest.approx(sum(job.seconds for job in jobs))
        assert [outcome.recording for outcome in outcomes] == list(paths)
        return outcomes

    return run


def read(path):
    return soundfile.read(path, always_2d=True)[0]


def test_together_equals_alone(tmp_path, write, run):
    paths = [
        write(tmp_path / f"{index}.wav", rate=rate, num_samples=num_samples, channels=channels, seed=index)
        for index, (rate, num_samples, channels) in enumerate([(16000, 9000, 1), (44100, 20000, 2), (8000, 1, 1)])
    ]
    bad = tmp_path / "bad.wav"
    soundfile.write(bad, np.full(9000, np.inf), 16000, subtype="FLOAT")
    paths.insert(1, bad)
    together, alone = run(paths, "together", together=True), run(paths, "alone")
    for outcomes in (together, alone):
        reason = "sample 0 is not a number; repair the file"
        assert [outcome.error for outcome in outcomes] == [None, reason, None, None]
    for path in paths:
        if path != bad:
            folders = (tmp_path, tmp_path / "together", tmp_path / "alone")
            given, one, other = (read(folder / path.name) for folder in folders)
            assert one.shape == other.shape == given.shape and np.abs(one - other).max() <= 2 / 32768
    assert not (tmp_path / "alone" / "bad.wav").exists()


def test_enhanced_is_what_the_enhancer_gives(tmp_path, write, run, model):
    path = write(tmp_path / "a.wav", subtype="FLOAT", channels=2)
    assert run([path])[0].error is None
    given = read(path).astype(np.float32)
    expected = load_enhancer(model, dtype="float32").enhance_batch(list(given.T))
    expected = np.stack([item["continuous"][0] for item in expected], axis=1)
    assert np.abs(read(tmp_path / "out" / "a.wav") - expected).max() < 1e-6
    assert np.abs(read(tmp_path / "out" / "a.wav") - given).max() > 0.01


def test_long_recordings_in_segments(tmp_path, write, run):
    path = write(tmp_path / "a.wav", seconds=6, rate=44100, channels=2, subtype="FLOAT")
    run([path], "whole"), run([path], "segments", segment_seconds=2.0)
    whole, segments = read(tmp_path / "whole" / "a.wav"), read(tmp_path / "segments" / "a.wav")
    assert whole.shape == segments.shape == read(path).shape
    # The model normalises each segment by itself: alike, not the same.
    assert np.corrcoef(whole[:, 0], segments[:, 0])[0, 1] > 0.95


@pytest.fixture
def model_with_peak(tmp_path, model) -> str:
    """The model, trained as if recordings had been brought to a peak."""
    folder = shutil.copytree(model, tmp_path / "with_peak")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.dump({**config, "model_conf": {"peak": 0.9}}))
    return str(folder)


def test_long_recordings_at_one_level(tmp_path, run, model_with_peak):
    samples = np.stack([voice(16000 * 4, seed) * (0.02 if seed else 1.0) for seed in range(2)], axis=1)
    samples[:32000] *= 0.1
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    run([tmp_path / "a.wav"], model=model_with_peak, segment_seconds=1.5)
    enhancer = load_enhancer(model_with_peak, dtype="float32", segment_seconds=1.5)
    assert enhancer.needs_level
    for channel, found in zip(samples.T.astype(np.float32), read(tmp_path / "out" / "a.wav").T):
        pieces = enhancer.enhance_long(lambda start, count, channel=channel: channel[start : start + count], 64000)
        expected = np.concatenate([piece["continuous"][0] for piece in pieces])
        assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("target", ["wave", "codes"])
def test_channels_that_pause_at_different_times(tmp_path, run, model, target):
    samples = np.stack([voice(16000 * 6, seed) for seed in range(2)], axis=1)
    samples[12000:32000, 0] = samples[50000:90000, 1] = 0
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    run([tmp_path / "a.wav"], target=target, segment_seconds=2.5)
    if target == "wave":
        output = read(tmp_path / "out" / "a.wav")
        assert output.shape == samples.shape and np.square(output).mean() > 0
        assert not output[16000:28000, 0].any() and not output[60000:80000, 1].any()
    else:
        assert codes_of(tmp_path / "out" / "a.cse")[1].shape[0] == 2


def test_rumble_does_not_change_codes(tmp_path, run, model_with_peak):
    samples = 0.2 * voice(16000 * 4)
    for name, offset in (("plain", 0.0), ("offset", 0.2)):
        soundfile.write(tmp_path / f"{name}.wav", samples + offset, 16000, subtype="FLOAT")
    run([tmp_path / "plain.wav", tmp_path / "offset.wav"], model=model_with_peak, target="codes", segment_seconds=1.5)
    plain, offset = (codes_of(tmp_path / "out" / f"{name}.cse")[1] for name in ("plain", "offset"))
    assert np.mean(plain == offset) > 0.9


def test_codes_are_made_at_the_level_of_the_training(tmp_path, run, model_with_peak, capsys):
    samples = 0.4 * voice(16000)
    for name, gain in (("loud", 1.0), ("soft", 0.25)):
        soundfile.write(tmp_path / f"{name}.wav", gain * samples, 16000, subtype="FLOAT")
    run([tmp_path / "loud.wav", tmp_path / "soft.wav"], model=model_with_peak, target="codes")
    loud, soft = (codes_of(tmp_path / "out" / f"{name}.cse")[1] for name in ("loud", "soft"))
    assert np.mean(loud == soft) > 0.99
    assert "it is restored for waveforms only" in capsys.readouterr().err


def test_silence_stays_silence_at_any_rate(tmp_path, run):
    paths = []
    for rate in (8000, 16000, 48000):
        paths.append(tmp_path / f"{rate}.wav")
        soundfile.write(paths[-1], np.zeros((rate, 2)), rate)
    run(paths, together=True)
    assert not any(read(tmp_path / "out" / path.name).any() for path in paths)


def test_two_speakers(tmp_path, write, run, model_of_two):
    path = write(tmp_path / "a.flac", channels=2)
    assert run([path], num_speakers=2, model=model_of_two)[0].error is None
    first, second = read(tmp_path / "out" / "a.spk1.flac"), read(tmp_path / "out" / "a.spk2.flac")
    assert first.shape == second.shape == read(path).shape and not np.array_equal(first, second)


def codes_of(path):
    with BitstreamReader(path) as stored:
        return stored.header, stored.read(0, stored.header.num_frames)


def test_codes_equal_the_waveform_path_from_the_same_quantised_embedding(tmp_path, write, run, model, codec_folder):
    """For a recording of one segment: the codes are equal, and so are their decodings, to the output's rounding."""
    path = write(tmp_path / "a.wav", seconds=1.3, channels=2, subtype="FLOAT")  # which has no limit
    codec, separator = load_codec(codec_folder), load_enhancer(model, dtype="float32").separator
    run([path], "codes", target="codes", model=None, codec=codec_folder)
    run([tmp_path / "codes" / "a.cse"], "enhanced", source="codes", target="codes")
    run([tmp_path / "enhanced" / "a.cse"], "decoded", source="codes", model=None, codec=codec_folder)

    speech = torch.from_numpy(read(path).T.astype(np.float32).copy())
    embedding, lengths = codec.encode(speech, torch.tensor([speech.shape[1]] * 2))
    quantized, codes = codec.quantize(embedding)
    assert np.array_equal(codes_of(tmp_path / "codes" / "a.cse")[1], codes.numpy())
    with torch.no_grad():
        estimate = separator(quantized, lengths, {})[0][0]
        expected, expected_codes = codec.quantize(estimate)
        decoded = codec.decode(expected, lengths, speech.shape[1]).numpy().T
    header, enhanced = codes_of(tmp_path / "enhanced" / "a.cse")
    assert np.array_equal(enhanced, expected_codes.numpy()) and not np.array_equal(enhanced, codes.numpy())
    assert np.abs(read(tmp_path / "decoded" / "a.wav") - decoded).max() <= 1 / 32768
    assert (header.num_channels, header.source_rate, header.source_format) == (2, 16000, "WAV")

    # From codes to a waveform the quantiser is passed by; from a waveform to codes, it is the last step.
    run([tmp_path / "codes" / "a.cse"], "wave", source="codes")
    direct = codec.decode(estimate, lengths, speech.shape[1]).numpy().T
    assert np.abs(read(tmp_path / "wave" / "a.wav") - direct).max() <= 1 / 32768
    run([path], "to_codes", target="codes")
    with torch.no_grad():
        expected_codes = codec.quantize(separator(embedding, lengths, {})[0][0])[1]
    assert np.array_equal(codes_of(tmp_path / "to_codes" / "a.cse")[1], expected_codes.numpy())


def test_long_codes_in_chunks(tmp_path, write, run, codec_folder, monkeypatch):
    path = write(tmp_path / "a.flac", seconds=5, rate=22050)
    run([path], "whole", target="codes", model=None, codec=codec_folder)
    monkeypatch.setattr("espnet_codecse.recording.processors.PIECE", 7)
    run([path], "chunks", target="codes", model=None, codec=codec_folder)
    (header, whole), (_, chunks) = codes_of(tmp_path / "whole" / "a.cse"), codes_of(tmp_path / "chunks" / "a.cse")
    assert np.array_equal(whole, chunks)
    assert (header.source_rate, header.source_num_samples, header.num_frames) == (22050, 110250, 250)
    run([tmp_path / "chunks" / "a.cse"], "enhanced", source="codes", target="codes", segment_seconds=1.5)
    assert codes_of(tmp_path / "enhanced" / "a.cse")[1].shape == whole.shape
    run([tmp_path / "chunks" / "a.cse"], "decoded", source="codes", model=None, codec=None)  # the codec that it names
    assert read(tmp_path / "decoded" / "a.flac").shape == (110250, 1)


def test_codes_of_another_codec_fail_alone(tmp_path, write, run, codec_folder):
    from tiny_codecs import save_mdct

    path = write(tmp_path / "a.wav")
    other = str(save_mdct(tmp_path / "other", seed=1))
    run([path], "here", target="codes", model=None, codec=codec_folder)
    run([path], "there", target="codes", model=None, codec=other)
    (tmp_path / "there" / "a.cse").rename(tmp_path / "there" / "b.cse")
    paths = [tmp_path / "there" / "b.cse", tmp_path / "here" / "a.cse"]
    outcomes = run(paths, "out", source="codes", target="codes")
    assert outcomes[1].error is None and f"made with the codec '{other}'" in outcomes[0].error
    run([path], "named", target="codes", model=None, codec=other)
    for file in Path(other).iterdir():
        file.unlink()
    Path(other).rmdir()
    outcome = run([tmp_path / "named" / "a.cse"], source="codes", model=None)[0]
    assert "which is unavailable; pass --codec with its folder" in outcome.error


def test_units(tmp_path, write):
    options = Options(segment_seconds=2.0)
    paths = [
        write(tmp_path / f"{index}.wav", seconds=seconds, channels=channels)
        for index, (seconds, channels) in enumerate([(0.5, 1), (3.0, 1), (0.6, 2), (1.9, 1), (0.5, 2), (0.4, 1)])
    ]
    jobs = [make_job(Recording(path, Path(path.name)), tmp_path / "out", options, None, False, 1) for path in paths]
    units = [[job.recording.stem for job in unit] for unit in make_units(jobs, options, batch_seconds=2.0)]
    assert units == [["1"], ["3"], ["2"], ["4", "0"], ["5"]]
    assert all(len(unit) == 1 for unit in make_units(jobs, Options(target="codes"), 60.0))


@pytest.mark.slow
def test_short_recordings_are_bounded_by_number(tmp_path):
    jobs = [Job(Path(f"{index}.wav"), (), None, None, 0.01, 1) for index in range(6000)]
    units = make_units(jobs, Options(), 60.0)
    assert sum(map(len, units)) == 6000 and max(map(len, units)) == 120


def test_out_of_memory_halves_the_batch_and_fails_alone(tmp_path, write, run, monkeypatch):
    paths = [write(tmp_path / f"{index}.wav", num_samples=8000 + index, seed=index) for index in range(7)]
    run(paths, "alone")
    whole, sizes = EmbeddingEnhancer.enhance_batch, []

    def enhance_batch(self, speech, *arguments, **options):
        sizes.append(len(speech))
        if len(speech) > 2 or any(len(samples) == 8003 for samples in speech):
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 9 bytes")
        return whole(self, speech, *arguments, **options)

    monkeypatch.setattr(EmbeddingEnhancer, "enhance_batch", enhance_batch)
    outcomes = run(paths, "together", together=True)
    reason = "out of memory; free some memory, or give a smaller --segment_seconds or fewer --jobs"
    assert [outcome.error for outcome in outcomes] == [reason if index == 3 else None for index in range(7)]
    assert sizes == [7, 3, 1, 2, 4, 2, 1, 1, 2] and not (tmp_path / "together" / "3.wav").exists()
    for path in paths[:3] + paths[4:]:
        one, other = read(tmp_path / "together" / path.name), read(tmp_path / "alone" / path.name)
        assert np.abs(one - other).max() <= 2 / 32768


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("target", ["wave", "codes"])
def test_recording_that_is_replaced_leaves_no_output(tmp_path, write, run, monkeypatch, together, target):
    paths = [write(tmp_path / f"{index}.wav", seconds=2) for index in range(2)]
    short = write(tmp_path / "short.wav", seconds=0.5)
    whole = EmbeddingProcessor._reader

    def reader(self, job, *listen):
        opened = whole(self, job, *listen)
        if job.recording == paths[1] and short.exists():
            short.rename(paths[1])
        return opened

    monkeypatch.setattr("espnet_codecse.recording.processors.Processor._reader", reader)
    outcomes = run(paths, together=together, target=target)
    assert outcomes[0].error is None
    assert outcomes[1].error == "was changed while it was read; run the same command again"
    assert [path.stem for path in (tmp_path / "out").iterdir()] == ["0"]


@pytest.mark.parametrize("changes", [{"source_num_samples": 10**9}, {"source_rate": 1}, {"source_rate": 48000}])
def test_codes_whose_header_claims_another_length_are_refused(tmp_path, write, run, codec_folder, changes):
    run([write(tmp_path / "a.wav")], target="codes", model=None, codec=codec_folder)
    header, codes = codes_of(tmp_path / "out" / "a.cse")
    forged = tmp_path / "forged.cse"
    with BitstreamWriter(forged, dataclasses.replace(header, **changes)) as writer:
        writer.write(codes)
    options = Options(source="codes", codec=codec_folder)
    jobs, failed = make_jobs([Recording(forged, Path("forged.cse"))], tmp_path / "out", options)
    assert not jobs and "its header contradicts itself: " in failed[0].error and "encode it again" in failed[0].error

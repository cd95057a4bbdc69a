"""Scoring of sets: what is written, what is computed again, and what is refused."""

import itertools
import json
import os

import numpy as np
import pytest
import soundfile

from espnet_codecse.audio import resample
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp, write_scp
from espnet_codecse.metrics import score as score_module
from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric
from espnet_codecse.metrics.score import score_set
from espnet_codecse.metrics.sdr import si_sdr

RATE = 16000


@pytest.fixture
def pairs(tmp_path):
    """Four utterances as reference and estimate, 1 s of noise each; the folder's name holds a space."""
    folder = tmp_path / "a b"
    random = np.random.default_rng(0)
    for kind in ("ref", "inf"):
        (folder / kind).mkdir(parents=True)
    for name in ("u1", "u2", "u3", "u4"):
        reference = 0.1 * random.normal(size=RATE)
        soundfile.write(folder / "ref" / f"{name}.wav", reference, RATE)
        soundfile.write(folder / "inf" / f"{name}.wav", reference + 0.05 * random.normal(size=RATE), RATE)
    for kind in ("ref", "inf"):
        write_scp(folder / f"{kind}.scp", {p.stem: str(p) for p in (folder / kind).iterdir()})
    return folder


def run(pairs, metrics="SI_SDR", out="scoring", **options):
    return score_set([str(pairs / "ref.scp")], [str(pairs / "inf.scp")], pairs / out, metrics.split(), **options)


def counted(monkeypatch):
    """Record the tasks that are really computed."""
    calls = []
    original = score_module.score_utterance

    def recording(task):
        calls.append((task[0].id, task[1]))
        return original(task)

    monkeypatch.setattr(score_module, "score_utterance", recording)
    return calls


def test_improvements_are_differences_to_the_mixture(pairs):
    (pairs / "mix").mkdir()
    random = np.random.default_rng(7)
    for path in sorted((pairs / "ref").iterdir()):
        soundfile.write(pairs / "mix" / path.name, soundfile.read(path)[0] + 0.2 * random.normal(size=RATE), RATE)
    estimates = run(pairs, "SI_SDR SDR SI_SDRi SDRi", mixtures=str(pairs / "mix"))
    unprocessed = score_set([str(pairs / "ref")], [str(pairs / "mix")], pairs / "noisy", ["SI_SDR", "SDR"])
    for (value, improvement), mixture in zip(zip(estimates[:2], estimates[2:]), unprocessed):
        assert improvement.metric == f"{value.metric}i" and improvement.mean > 5
        assert improvement.mean == pytest.approx(value.mean - mixture.mean, abs=1e-5)
    with pytest.raises(UserError, match="--mix_scp: missing, but needed for SDRi"):
        run(pairs, "SDRi", out="other")


def test_scores_at_another_rate_are_those_of_resampled_files(pairs, monkeypatch):
    for kind in ("ref", "inf"):
        (pairs / f"{kind}_8k").mkdir()
        for path in (pairs / kind).iterdir():
            samples = resample(soundfile.read(path, dtype="float32")[0], RATE, 8000)
            soundfile.write(pairs / f"{kind}_8k" / path.name, samples, 8000, "FLOAT")
    metrics = ["SI_SDR", "PESQ_NB"]
    wanted = score_set([str(pairs / "ref_8k")], [str(pairs / "inf_8k")], pairs / "8k", metrics)
    at_16k = run(pairs, "SI_SDR PESQ_NB")
    calls = counted(monkeypatch)
    scored = run(pairs, "SI_SDR PESQ_NB", sample_rate=8000)
    assert len(calls) == 4  # the scores at 16 kHz are not these
    for ours, theirs in zip(scored, wanted):
        assert ours.mean == pytest.approx(theirs.mean, abs=1e-3)
    assert abs(scored[0].mean - at_16k[0].mean) > 1e-3


def test_recordings_of_different_rates_are_brought_together(pairs):
    wanted = run(pairs, sample_rate=8000)[0]
    (pairs / "inf_48k").mkdir()
    for path in (pairs / "inf").iterdir():
        samples = resample(soundfile.read(path, dtype="float32")[0], RATE, 48000)
        soundfile.write(pairs / "inf_48k" / path.name, samples, 48000, "FLOAT")
    lists = [str(pairs / "ref")], [str(pairs / "inf_48k")]
    assert score_set(*lists, pairs / "mixed", ["SI_SDR"], sample_rate=8000)[0].mean == pytest.approx(
        wanted.mean, abs=0.1
    )
    with pytest.raises(UserError, match="48000 Hz, but .* has 16000 Hz; resample one of them, or pass --fs"):
        score_set(*lists, pairs / "other", ["SI_SDR"])
    soundfile.write(pairs / "inf_48k" / "u1.wav", samples[:-3000], 48000)
    with pytest.raises(UserError, match=r"u1.wav: 45000 samples at 48000 Hz, but .* has 16000 at 16000 Hz \('u1'\)"):
        score_set(*lists, pairs / "short", ["SI_SDR"], sample_rate=8000)


def test_single_files_are_one_utterance_named_after_the_output(pairs):
    (pairs / "inf" / "u1.wav").rename(pairs / "enhanced 1.wav")
    (single,) = score_set([str(pairs / "ref" / "u1.wav")], [str(pairs / "enhanced 1.wav")], pairs / "one", ["SI_SDR"])
    reference, estimate = (soundfile.read(pairs / name)[0] for name in ("ref/u1.wav", "enhanced 1.wav"))
    assert single.mean == pytest.approx(si_sdr(reference, estimate), abs=1e-3)
    column = read_scp(pairs / "one" / "SI_SDR_spk1")
    assert list(column) == ["enhanced_1"] and float(column["enhanced_1"]) == pytest.approx(single.mean)


def test_names_with_spaces_are_ids_with_underscores(pairs):
    for kind in ("ref", "inf"):
        (pairs / kind / "u1.wav").rename(pairs / kind / "my  recording.wav")
    score_set([str(pairs / "ref")], [str(pairs / "inf")], pairs / "spaces", ["SI_SDR"])
    assert list(read_scp(pairs / "spaces" / "SI_SDR_spk1")) == ["my_recording", "u2", "u3", "u4"]
    soundfile.write(pairs / "ref" / "my_recording.wav", np.ones(RATE) / 2, RATE)
    with pytest.raises(UserError, match="the name 'my_recording' occurs twice"):
        score_set([str(pairs / "ref")], [str(pairs / "inf")], pairs / "twice", ["SI_SDR"])


def test_files_have_the_shape_of_espnet_and_hold_the_values(pairs):
    (summary,) = run(pairs)
    column = read_scp(pairs / "scoring" / "SI_SDR_spk1")
    assert list(column) == ["u1", "u2", "u3", "u4"]
    for name, value in column.items():
        paths = [pairs / kind / f"{name}.wav" for kind in ("ref", "inf")]
        reference, estimate = (soundfile.read(path, dtype="float32")[0] for path in paths)
        assert float(value) == pytest.approx(si_sdr(reference, estimate), abs=1e-6)
    mean = np.mean([float(value) for value in column.values()])
    assert float((pairs / "scoring" / "result_si_sdr.txt").read_text()) == pytest.approx(mean, rel=1e-5)
    assert (summary.mean, summary.num_values, summary.num_nan) == (pytest.approx(mean), 4, 0)


@pytest.mark.slow
def test_folders_and_two_processes_give_the_same_as_lists_and_one(pairs):
    run(pairs, "SI_SDR SDR")
    score_set([str(pairs / "ref")], [str(pairs / "inf")], pairs / "other", ["SI_SDR", "SDR"], nj=2)
    for name in ("SI_SDR_spk1", "SDR_spk1", "result_sdr.txt"):
        assert (pairs / "scoring" / name).read_text() == (pairs / "other" / name).read_text()


def test_a_second_run_computes_only_new_metrics_and_changed_files(pairs, monkeypatch):
    run(pairs)
    calls = counted(monkeypatch)
    run(pairs)
    assert calls == []
    run(pairs, "SI_SDR SDR")
    assert calls == [(name, ("SDR",)) for name in ("u1", "u2", "u3", "u4")]
    del calls[:]
    before = read_scp(pairs / "scoring" / "SI_SDR_spk1")
    soundfile.write(pairs / "inf" / "u2.wav", 0.1 * np.random.default_rng(9).normal(size=RATE), RATE)
    os.utime(pairs / "inf" / "u2.wav", ns=(1, 1))
    run(pairs, "SI_SDR SDR")
    assert calls == [("u2", ("SI_SDR", "SDR"))]
    after = read_scp(pairs / "scoring" / "SI_SDR_spk1")
    assert {name for name in before if before[name] != after[name]} == {"u2"}


def test_a_killed_run_goes_on_behind_the_last_whole_line(pairs, monkeypatch):
    run(pairs)
    expected = (pairs / "scoring" / "SI_SDR_spk1").read_text()
    log = pairs / "scoring" / "scores.jsonl"
    lines = log.read_text().splitlines()
    log.write_text("\n".join(lines[:2]) + "\n" + lines[2][:30])
    (pairs / "scoring" / "SI_SDR_spk1").unlink()
    calls = counted(monkeypatch)
    run(pairs)
    assert len(calls) == 2 and (pairs / "scoring" / "SI_SDR_spk1").read_text() == expected
    assert [json.loads(line)["id"] for line in log.read_text().splitlines()]


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"id": "u2", "sig\xff\xfe',
        b"[" * 100_000,
        b'{"id": [], "signature": "", "scores": {}}',
        b'{"id": "u2", "signature": SIGNATURE, "scores": {"SI_SDR": []}}',
        b'{"id": "u2", "signature": SIGNATURE, "scores": {"SI_SDR": [NaN]}}',
        b'{"id": "u2", "signature": SIGNATURE, "scores": {"SI_SDR": ["x"]}}',
        b'{"id": "u2", "signature": SIGNATURE, "scores": {"\\ud800": [1.0]}}',
    ],
    ids=["not_utf8", "deep", "id", "no_value", "nan", "text", "surrogate"],
)
def test_a_damaged_line_is_scored_again(pairs, monkeypatch, capsys, damaged):
    run(pairs)
    expected = (pairs / "scoring" / "SI_SDR_spk1").read_text()
    log = pairs / "scoring" / "scores.jsonl"
    lines = {json.loads(line)["id"]: line for line in log.read_bytes().splitlines()}
    signature = json.dumps(json.loads(lines["u2"])["signature"]).encode()
    log.write_bytes(b"\n".join([lines["u1"], damaged.replace(b"SIGNATURE", signature), lines["u3"], lines["u4"]]))
    calls = counted(monkeypatch)
    run(pairs)
    assert [name for name, _ in calls] == ["u2"]
    assert (pairs / "scoring" / "SI_SDR_spk1").read_text() == expected
    assert "1 damaged lines of earlier scores dropped; scored again" in capsys.readouterr().err


def test_two_speakers_are_ordered_once_by_si_sdr(pairs):
    references = [{}, {}]
    random = np.random.default_rng(5)
    for utterance, speaker in itertools.product(("m1", "m2"), (0, 1)):
        path = pairs / f"{utterance}_{speaker}.wav"
        soundfile.write(path, 0.1 * random.normal(size=RATE), RATE)
        references[speaker][utterance] = str(path)
    swapped = [dict(references[0], m1=references[1]["m1"]), dict(references[1], m1=references[0]["m1"])]
    lists = [references[0], references[1], swapped[0], swapped[1]]
    for number, table in enumerate(lists):
        write_scp(pairs / f"{number}.scp", table)
    paths = [str(pairs / f"{number}.scp") for number in range(4)]
    score_set(paths[:2], paths[2:], pairs / "two", ["SI_SDR", "SDR"])
    for name in ("SI_SDR_spk1", "SI_SDR_spk2", "SDR_spk1", "SDR_spk2"):
        assert all(float(value) > 90 for value in read_scp(pairs / "two" / name).values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ref", "inf"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_not_scored_as_silence(pairs, capsys, kind, value):
    path = pairs / kind / "u2.wav"
    samples, _ = soundfile.read(path)
    samples[100:200] = value
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    for summary in run(pairs, "SI_SDR DNSMOS"):
        assert (summary.num_values, summary.num_nan) == (3, 1) and np.isfinite(summary.mean)
    assert read_scp(pairs / "scoring" / "SI_SDR_spk1")["u2"] == "nan"
    assert f"{path}: holds NaN or infinite samples; its scores are nan" in capsys.readouterr().err


@pytest.mark.slow
def test_silence_has_no_score_without_a_reference(pairs):
    soundfile.write(pairs / "inf" / "u3.wav", np.zeros(RATE), RATE)
    for summary in run(pairs, "DNSMOS"):
        assert (summary.num_values, summary.num_nan) == (3, 1)


def test_silence_is_recorded_as_nan_and_counted(pairs):
    soundfile.write(pairs / "inf" / "u3.wav", np.zeros(RATE), RATE)
    si, pesq = run(pairs, "SI_SDR PESQ")
    assert read_scp(pairs / "scoring" / "PESQ_spk1")["u3"] == "nan"
    assert (si.num_values, si.num_nan, pesq.num_nan) == (3, 1, 1) and np.isfinite(si.mean)


def test_some_samples_are_trimmed_with_a_notice_and_more_are_refused(pairs, capsys):
    path = pairs / "inf" / "u1.wav"
    samples, _ = soundfile.read(path)
    soundfile.write(path, samples[:-9], RATE)
    run(pairs)
    assert "1 utterances differ in length by up to 9 samples; trimmed" in capsys.readouterr().err
    soundfile.write(path, samples[:-900], RATE)
    with pytest.raises(UserError, match=r"u1.wav: 15100 samples, but .*u1.wav has 16000 \('u1'\)"):
        run(pairs)


def test_wrong_input_is_refused(pairs, tmp_path):
    write_scp(pairs / "inf.scp", {name: path for name, path in read_scp(pairs / "inf.scp").items() if name != "u2"})
    with pytest.raises(UserError, match=r"inf.scp: 1 of the 4 utterances of .*ref.scp are missing, the first is 'u2'"):
        run(pairs)
    with pytest.raises(UserError, match="--ref_scp: missing, but needed for PESQ"):
        score_set([], [str(pairs / "inf")], tmp_path / "x", ["PESQ", "DNSMOS"])
    soundfile.write(pairs / "inf" / "u1.wav", np.zeros(8000), 8000)
    with pytest.raises(UserError, match="8000 Hz, but .* has 16000 Hz"):
        score_set([str(pairs / "ref")], [str(pairs / "inf")], tmp_path / "x", ["SI_SDR"])
    soundfile.write(pairs / "inf" / "u1.wav", np.zeros((RATE, 2)), RATE)
    with pytest.raises(UserError, match="u1.wav: has 2 channels"):
        score_set([str(pairs / "ref")], [str(pairs / "inf")], tmp_path / "x", ["SI_SDR"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: no audio file"):
        score_set([], [str(tmp_path / "empty")], tmp_path / "x", ["DNSMOS"])


class _Absent(AbsMetricFamily):
    columns = (Metric("NOT_THERE", None, True, (0.0, 1.0), True, "no_such_package", "needs a missing package"),)

    def load(self):
        import no_such_package  # noqa: F401

    def compute(self, signals):
        return {"NOT_THERE": 1.0}


def test_a_missing_package_leaves_a_named_empty_column_and_one_line(pairs, capsys, monkeypatch):
    from espnet_codecse.metrics import registry

    monkeypatch.setitem(registry._FAMILIES, "NOT_THERE", _Absent)
    si, absent = run(pairs, "SI_SDR NOT_THERE")
    assert si.num_nan == 0 and absent.num_nan == 4
    assert set(read_scp(pairs / "scoring" / "NOT_THERE_spk1").values()) == {"nan"}
    warnings = [line for line in capsys.readouterr().err.splitlines() if "NOT_THERE" in line]
    assert warnings == ["score: NOT_THERE left empty, package or network unavailable: pip install no_such_package"]

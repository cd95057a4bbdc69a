"""Extraction: values, layers, going on after a kill, and what is refused."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny_codecs import save_codec

from espnet_codecse.audio import resample
from espnet_codecse.codec import load_codec
from espnet_codecse.embedding import EmbeddingReader
from espnet_codecse.embedding.description import EmbeddingDescription, check_levels
from espnet_codecse.embedding.extract import check_disk, extract, make_batches
from espnet_codecse.embedding.parts import SourceFile, make_plan
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp, write_scp
from espnet_codecse.level import LevelRule

ROOT = Path(__file__).resolve().parents[3]
CODE = (
    "import sys; from pathlib import Path; from espnet_codecse.embedding.extract import extract;"
    "extract(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), compression='none', part_seconds=0.3, batch_size=1)"
)


def encode_alone(codec, path):
    samples = torch.from_numpy(soundfile.read(path, dtype="float32")[0])[None]
    embedding, lengths = codec.encode(samples, torch.tensor([samples.shape[1]]))
    return embedding[0, : lengths[0]]


def command(codec_folder, data_dir, out):
    return [sys.executable, "-c", CODE, codec_folder, str(data_dir), str(out)]


def environment():
    return {**os.environ, "PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{ROOT}", "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("compression", ["none", "3"])
def test_stored_embeddings_equal_those_encoded_one_by_one(codec_folder, data_dir, tmp_path, compression):
    assert extract(codec_folder, data_dir, tmp_path / "emb", compression=compression) == 5
    codec = load_codec(codec_folder)
    for stream, scp in (("mix", "wav.scp"), ("ref1", "spk1.scp"), ("ref2", "spk2.scp")):
        reader = EmbeddingReader(tmp_path / "emb", stream, codec)
        for key, path in read_scp(data_dir / scp).items():
            expected = encode_alone(codec, path).numpy()
            assert reader[key].dtype == np.float32 and reader[key].shape == expected.shape
            assert len(expected) == reader.num_frames[key] == codec.num_frames(soundfile.info(path).frames)
            # Two bytes: half a step of the matrix' range, and the batch's rounding.
            step = (expected.max() - expected.min()) / 65535 if compression == "3" else 0.0
            assert np.abs(reader[key] - expected).max() <= 0.51 * step + 1e-5
    assert not (tmp_path / "emb" / "emb_noise1.scp").exists()


@pytest.mark.parametrize("nj", [1, 2])
def test_embeddings_in_bfloat16_are_those_of_the_same_codec(data_dir, tmp_path, nj):
    folder = str(save_codec(tmp_path / "dac", "dac"))
    readers = []
    for dtype in ("float32", "bfloat16"):
        out = tmp_path / dtype
        extract(folder, data_dir, out, compression="none", nj=nj, codec_dtype=dtype)
        assert yaml.safe_load((out / "codec.yaml").read_text())["codec_dtype"] == dtype
        readers.append(EmbeddingReader(out, "mix", load_codec(folder)))
    before = {ark: ark.stat().st_mtime_ns for ark in (tmp_path / "float32").rglob("*.ark")}
    extract(folder, data_dir, tmp_path / "float32", compression="none", codec_dtype="bfloat16")  # nothing to do
    assert before == {ark: ark.stat().st_mtime_ns for ark in (tmp_path / "float32").rglob("*.ark")}
    for key in readers[0]:
        exact, fast = (reader[key] for reader in readers)
        assert not np.array_equal(exact, fast)
        assert 10 * np.log10(np.square(exact).sum() / np.square(exact - fast).sum()) > 40


@pytest.mark.slow
@pytest.mark.parametrize("family", ["dac", "encodec"])
def test_other_codecs_and_rates(data_dir, tmp_path, family):
    folder = str(save_codec(tmp_path / family, family))
    extract(folder, data_dir, tmp_path / "emb", compression="none")
    codec, reader = load_codec(folder), EmbeddingReader(tmp_path / "emb", "ref1")
    for key, path in read_scp(data_dir / "spk1.scp").items():
        samples = resample(soundfile.read(path, dtype="float32")[0], 16000, codec.sample_rate)
        expected = codec.encode(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))[0][0].numpy()
        assert reader[key].shape == (codec.num_frames(len(samples)), codec.dim)
        assert np.allclose(reader[key], expected, atol=1e-4 * np.abs(expected).max())


def test_espnet_can_read_the_lists(codec_folder, data_dir, tmp_path):
    extract(codec_folder, data_dir, tmp_path / "emb", with_noise=True)
    table = kaldiio.load_scp(str(tmp_path / "emb" / "emb_noise1.scp"))
    reader = EmbeddingReader(tmp_path / "emb", "noise1")
    assert all(np.array_equal(table[key], reader[key]) for key in reader) and len(table) == 5


def test_quantized_layer_and_codes_belong_together(codec_folder, data_dir, tmp_path):
    extract(codec_folder, data_dir, tmp_path / "q", layer="quantized", compression="none")
    extract(codec_folder, data_dir, tmp_path / "c", layer="codes")
    codec = load_codec(codec_folder)
    quantized, codes = EmbeddingReader(tmp_path / "q", "ref1"), EmbeddingReader(tmp_path / "c", "ref1")
    assert set(read_scp(tmp_path / "c" / "utt2num_codebooks").values()) == {"3"}
    for key in codes:
        assert codes[key].dtype == np.int32 and codes[key].shape == (3, codes.num_frames[key])
        expected = codec.dequantize(torch.from_numpy(codes[key]).long()[None])[0]
        assert torch.allclose(torch.from_numpy(quantized[key]), expected, atol=1e-5)


def test_fewer_codebooks(codec_folder, data_dir, tmp_path):
    codes_of = {}
    for number in (None, 2):
        out = tmp_path / f"codes{number}"
        extract(codec_folder, data_dir, out, layer="codes", num_codebooks=number)
        codes_of[number] = EmbeddingReader(out, "ref1")
        assert ("num_codebooks" in yaml.safe_load((out / "codec.yaml").read_text())) == (number is not None)
    assert set(read_scp(tmp_path / "codes2" / "utt2num_codebooks").values()) == {"2"}
    extract(codec_folder, data_dir, tmp_path / "q", layer="quantized", compression="none", num_codebooks=2)
    quantized, codec = EmbeddingReader(tmp_path / "q", "ref1"), load_codec(codec_folder)
    for key in quantized:
        assert np.array_equal(codes_of[2][key], codes_of[None][key][:2])
        expected = codec.dequantize(torch.from_numpy(codes_of[2][key]).long()[None])[0]
        assert torch.allclose(torch.from_numpy(quantized[key]), expected, atol=1e-5)
    for number in (None, 3):
        with pytest.raises(UserError, match="made with another --num_codebooks; choose another folder"):
            extract(codec_folder, data_dir, tmp_path / "q", layer="quantized", num_codebooks=number)
    with pytest.raises(UserError, match="--num_codebooks 4: the codec .* has 3"):
        extract(codec_folder, data_dir, tmp_path / "none", layer="codes", num_codebooks=4)
    with pytest.raises(UserError, match="'continuous' lies before the quantiser"):
        extract(codec_folder, data_dir, tmp_path / "none", num_codebooks=2)


@pytest.mark.parametrize("levels", [LevelRule(1.0, 1.0), LevelRule(0.9), LevelRule(1.0, 0.5)])
def test_recordings_are_scaled_as_the_rule_says(codec_folder, data_dir, tmp_path, levels):
    extract(codec_folder, data_dir, tmp_path / "emb", compression="none", levels=levels, with_noise=True)
    codec, mixtures = load_codec(codec_folder), read_scp(data_dir / "wav.scp")
    for stream, scp in (("mix", "wav.scp"), ("ref1", "spk1.scp"), ("ref2", "spk2.scp"), ("noise1", "noise1.scp")):
        reader = EmbeddingReader(tmp_path / "emb", stream, codec)
        for key, path in read_scp(data_dir / scp).items():
            own = stream != "mix" and levels.reference_peak is not None
            loudest = np.abs(soundfile.read(path if own else mixtures[key], dtype="float32")[0]).max()
            gain = (levels.reference_peak if own else levels.peak) / loudest
            speech = gain * soundfile.read(path, dtype="float32")[0]
            expected = codec.encode(torch.from_numpy(speech)[None], torch.tensor([len(speech)]))[0][0].numpy()
            assert np.allclose(reader[key], expected, atol=2e-4 * np.abs(expected).max())
    assert reader.description.levels == levels
    check_levels(tmp_path / "emb", levels)
    for other in (None, LevelRule(0.8, levels.reference_peak)):
        with pytest.raises(UserError, match="codec.yaml: the embeddings were made with another level"):
            check_levels(tmp_path / "emb", other)
        with pytest.raises(UserError, match="made with another --peak or --reference_peak; choose another folder"):
            extract(codec_folder, data_dir, tmp_path / "emb", levels=other)


@pytest.mark.slow
def test_two_processes_and_other_batches_give_the_same_lists(codec_folder, data_dir, tmp_path):
    extract(codec_folder, data_dir, tmp_path / "one")
    extract(codec_folder, data_dir, tmp_path / "two", nj=2, batch_size=2, max_batch_seconds=0.7, part_seconds=0.7)
    one, two = EmbeddingReader(tmp_path / "one"), EmbeddingReader(tmp_path / "two")
    assert list(one) == list(two) and len(list((tmp_path / "two" / "parts").glob("emb_mix.*.ark"))) > 1
    assert all(np.allclose(one[key], two[key], atol=1e-3) for key in one)


def test_a_second_run_does_only_what_is_missing_damaged_or_changed(codec_folder, data_dir, tmp_path, capsys):
    out = tmp_path / "emb"
    extract(codec_folder, data_dir, out, part_seconds=0.3)
    arks = sorted((out / "parts").glob("*.ark"))
    times = {path: path.stat().st_mtime_ns for path in arks}
    first, second, third = arks[0], arks[1], arks[2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:-7])
    changed = Path(read_scp(data_dir / "wav.scp")["e"])
    soundfile.write(changed, np.full(12345, 0.25), 16000)
    os.utime(changed, ns=(1, 1))
    capsys.readouterr()
    extract(codec_folder, data_dir, out, part_seconds=0.3)
    assert f"{len(arks) - 3} of {len(arks)} parts skipped (already done)" in capsys.readouterr().err
    redone = {path for path in arks if path.stat().st_mtime_ns != times[path]}
    assert {first, second} <= redone and third not in redone and len(redone) == 3
    expected = encode_alone(load_codec(codec_folder), changed).numpy()
    assert np.abs(EmbeddingReader(out)["e"] - expected).max() < 1e-2


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_result(codec_folder, data_dir, tmp_path):
    paths = read_scp(data_dir / "wav.scp")
    for name in ("wav", "spk1"):
        write_scp(data_dir / f"{name}.scp", {f"u{i:03}": paths["bcde"[i % 4]] for i in range(120)})
    (data_dir / "spk2.scp").unlink()
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for wanted in (1, 30):
        process = subprocess.Popen(
            command(codec_folder, data_dir, killed), env=environment(), stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while len(list(killed.glob("parts/*.done"))) < wanted and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (killed / "emb_mix.scp").exists()
    extract(codec_folder, data_dir, killed, compression="none", part_seconds=0.3, batch_size=1)
    extract(codec_folder, data_dir, whole, compression="none", part_seconds=0.3, batch_size=1)
    names = sorted(path.name for path in (whole / "parts").iterdir())
    assert sorted(path.name for path in (killed / "parts").iterdir()) == names and len(names) == 4 * 120
    for name in names:
        if name.endswith(".ark"):
            assert (killed / "parts" / name).read_bytes() == (whole / "parts" / name).read_bytes()
    assert (killed / "utt2num_frames").read_text() == (whole / "utt2num_frames").read_text()


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(codec_folder, data_dir, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    out = tmp_path / "emb"
    result = subprocess.run(
        command(codec_folder, data_dir, out),
        env=environment(),
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert "UserError" in last and ".ark: cannot be written" in last and "free some space" in last
    whole = {path.stem for path in (out / "parts").glob("*.done")}
    assert {path.stem for path in (out / "parts").glob("*.ark")} == whole
    assert not list((out / "parts").glob(".*")) and not (out / "emb_mix.scp").exists()
    extract(codec_folder, data_dir, out, compression="none", part_seconds=0.3, batch_size=1)
    assert len(EmbeddingReader(out)) == 5


def test_too_little_disk_is_refused_before_writing(tmp_path):
    with pytest.raises(UserError, match=r"needs 1000000000.0 GB but only .* free; free some space"):
        check_disk(tmp_path, 10**18)


def test_another_codec_or_layer_in_the_folder_is_refused(codec_folder, data_dir, tmp_path, make_other_codec):
    extract(codec_folder, data_dir, tmp_path / "emb")
    other = make_other_codec()
    fingerprints = load_codec(codec_folder).fingerprint, load_codec(other).fingerprint
    with pytest.raises(UserError, match=f"fingerprint {fingerprints[0]}, but .* has {fingerprints[1]}"):
        extract(other, data_dir, tmp_path / "emb")
    with pytest.raises(UserError, match="holds another layer than 'codes'"):
        extract(codec_folder, data_dir, tmp_path / "emb", layer="codes")


def test_wrong_data_is_refused(codec_folder, data_dir, tmp_path):
    out = tmp_path / "emb"
    paths = read_scp(data_dir / "spk1.scp")
    write_scp(data_dir / "spk1.scp", {key: path for key, path in paths.items() if key != "c"})
    with pytest.raises(UserError, match=r"spk1.scp: 1 utterances differ from wav.scp, the first is 'c'"):
        extract(codec_folder, data_dir, out)
    write_scp(data_dir / "spk1.scp", {**paths, "c": paths["e"]})
    with pytest.raises(UserError, match=r"'c' has 39 frames but 10 in another stream"):
        extract(codec_folder, data_dir, out)
    write_scp(data_dir / "spk1.scp", {**paths, "c": "/no/such.wav"})
    with pytest.raises(UserError, match=r"/no/such.wav: no such audio file \('c'\)"):
        extract(codec_folder, data_dir, out)
    soundfile.write(paths["c"], np.zeros((3200, 2)), 16000)
    write_scp(data_dir / "spk1.scp", paths)
    with pytest.raises(UserError, match="c.wav: has 2 channels"):
        extract(codec_folder, data_dir, out)
    with pytest.raises(UserError, match="wav.scp: no such file"):
        extract(codec_folder, tmp_path, out)
    (data_dir / "segments").write_text("u c 0 1\n")
    with pytest.raises(UserError, match="has segments; cut the recordings first, with codecse format"):
        extract(codec_folder, data_dir, out)


def test_the_description_is_complete(codec_folder, data_dir, tmp_path):
    extract(codec_folder, data_dir, tmp_path / "emb")
    codec = load_codec(codec_folder)
    document = yaml.safe_load((tmp_path / "emb" / "codec.yaml").read_text())
    assert document["fingerprint"] == codec.fingerprint and document["layer"] == "continuous"
    assert (document["sample_rate"], document["hop"], document["dim"]) == (16000, 320, 32)
    assert document["compression"] == "3"


def test_batches_keep_order_and_budget():
    recordings = tuple(SourceFile(str(i), "", seconds) for i, seconds in enumerate([1, 1, 2, 3, 3, 9]))
    batches = [[item.id for item in batch] for batch in make_batches(recordings, 3, 6.0)]
    assert batches == [["0", "1", "2"], ["3", "4"], ["5"]]


def test_a_large_set_gets_larger_parts_up_to_a_size(data_dir, tmp_path, codec_folder, monkeypatch):
    description = EmbeddingDescription.of(load_codec(codec_folder), "continuous", "none")
    count = len(make_plan(data_dir, tmp_path, description, False, 0.1, only_mixtures=True))
    monkeypatch.setattr("espnet_codecse.embedding.parts.MAX_PARTS", 2)
    assert len(make_plan(data_dir, tmp_path, description, False, 0.1, only_mixtures=True)) < count
    monkeypatch.setattr("espnet_codecse.embedding.parts.LARGEST_PART", 0.1 * description.bytes_per_second)
    assert len(make_plan(data_dir, tmp_path, description, False, 0.1, only_mixtures=True)) == count

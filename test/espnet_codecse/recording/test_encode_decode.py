"""``codecse encode`` and ``decode``, and ``enhance`` between codes."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from tiny_codecs import save_codec
from tiny_models import save_experiment

from espnet_codecse.bin.main import main
from espnet_codecse.codec.bitstream import BitstreamReader
from espnet_codecse.codec.resolve import forget_codecs
from espnet_codecse.recording.reader import samples_at


def script(*arguments):
    return [sys.executable, "-c", "import sys; from espnet_codecse.bin.main import main; sys.exit(main())", *arguments]


@pytest.fixture
def recordings(tmp_path, write):
    write(tmp_path / "in" / "a b.wav", rate=44100, channels=2, subtype="PCM_24")
    write(tmp_path / "in" / "sub" / "ü.flac", seconds=2.5)
    write(tmp_path / "in" / "one.mp3", num_samples=1, rate=48000)
    return tmp_path


def test_there_and_back(recordings, codec_folder, model, capsys):
    codes, better, back = (str(recordings / name) for name in ("codes", "better", "back"))
    assert main(["encode", str(recordings / "in"), "-o", codes, "--codec", codec_folder]) == 0
    assert "3 files: 3 encoded" in capsys.readouterr().out
    with BitstreamReader(recordings / "codes" / "a b.cse") as stored:
        header = stored.header
    assert (header.num_channels, header.source_rate, header.source_subtype) == (2, 44100, "PCM_24")
    assert header.num_samples == samples_at(header.source_num_samples, 44100, 16000)
    assert main(["enhance", "--from", "codes", "--to", "codes", codes, "-o", better, "--model", model]) == 0
    out = capsys.readouterr().out
    assert "3 enhanced" in out and "network alone" in out
    assert main(["decode", better, "-o", back]) == 0
    for name in ("a b.wav", "sub/ü.flac", "one.mp3"):
        before, after = soundfile.info(recordings / "in" / name), soundfile.info(recordings / "back" / name)
        for key in ("frames", "samplerate", "channels", "format", "subtype"):
            assert getattr(before, key) == getattr(after, key), (name, key)
    capsys.readouterr()
    assert main(["decode", better, "-o", back]) == 0
    assert "0 decoded, 3 skipped (already done)" in capsys.readouterr().out
    assert main(["encode", str(recordings / "in"), "-o", codes, "--codec", codec_folder, "--mono"]) == 0
    assert "3 encoded" in capsys.readouterr().out


def bits_per_second(file):
    with BitstreamReader(file) as stored:
        header = stored.header
    return header.bits_per_frame * header.sample_rate / header.hop, header.num_codebooks


@pytest.mark.slow
def test_lyra_at_several_rates(recordings, tmp_path_factory, monkeypatch, capsys):
    lyra = save_codec(tmp_path_factory.mktemp("recording") / "lyra", "lyra")
    monkeypatch.setenv("CODECSE_LYRA", str(lyra))
    forget_codecs()
    wave = str(recordings / "in" / "sub" / "ü.flac")
    model = str(save_experiment(recordings / "model", "lyra_v2"))
    better, back = str(recordings / "better"), str(recordings / "back")
    sizes = []
    for number, rate in ((2, 400), (4, 800), (6, 1200)):
        codes = str(recordings / f"codes{number}")
        assert main(["encode", wave, "-o", codes, "--codec", "lyra_v2", "--num_codebooks", str(number)]) == 0
        assert bits_per_second(recordings / codes / "ü.cse") == (rate, number)
        sizes.append((recordings / codes / "ü.cse").stat().st_size)
        # Codes stay at their rate, unless another is asked for.
        assert main(["enhance", "--from", "codes", "--to", "codes", codes, "-o", better, "--model", model]) == 0
        assert bits_per_second(recordings / better / "ü.cse") == (rate, number)
        assert main(["decode", better, "-o", back]) == 0
        assert soundfile.info(recordings / "back" / "ü.flac").frames == 40000
    assert sizes[1] - sizes[0] == sizes[2] - sizes[1] == 125 * 2 * 4 // 8
    capsys.readouterr()
    arguments = ["enhance", "--from", "codes", "--to", "codes", codes, "-o", better, "--model", model]
    assert main([*arguments, "--num_codebooks", "2"]) == 0
    assert "1 enhanced" in capsys.readouterr().out
    assert bits_per_second(recordings / better / "ü.cse") == (400, 2)
    assert main(["enhance", wave, "--to", "codes", "-o", better, "--model", model, "--num_codebooks", "4"]) == 0
    assert bits_per_second(recordings / better / "ü.cse") == (800, 4)
    capsys.readouterr()
    for arguments in (["encode", wave, "--codec", "lyra_v2"], ["enhance", wave, "--to", "codes", "--model", model]):
        assert main([*arguments, "-o", better, "--num_codebooks", "7"]) == 1
        assert "--num_codebooks 7: the codec 'lyra_v2' has 6" in capsys.readouterr().err
    assert main(["enhance", wave, "-o", better, "--model", model, "--num_codebooks", "2"]) == 1
    assert "--num_codebooks applies to codes that are written; add --to codes" in capsys.readouterr().err
    forget_codecs()


def test_codes_of_lyra_without_its_files(recordings, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CODECSE_LYRA", str(save_codec(tmp_path / "lyra", "lyra")))
    forget_codecs()
    codes = str(recordings / "codes")
    assert main(["encode", str(recordings / "in" / "one.mp3"), "-o", codes, "--codec", "lyra_v2"]) == 0
    monkeypatch.setenv("CODECSE_LYRA", str(tmp_path / "elsewhere"))
    forget_codecs()
    assert main(["decode", codes, "-o", str(recordings / "back")]) == 1
    assert "run tools/installers/lyra.sh" in (recordings / "back" / "failed.tsv").read_text()


def test_damaged_codes_fail_alone(recordings, codec_folder, capsys):
    folder = recordings / "codes"
    main(["encode", str(recordings / "in"), "-o", str(folder), "--codec", codec_folder])
    data = (folder / "sub" / "ü.cse").read_bytes()
    (folder / "cut.cse").write_bytes(data[:-9])
    (folder / "other.cse").write_bytes(b"RIFF....WAVE")
    (folder / "flipped.cse").write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    capsys.readouterr()
    assert main(["decode", str(folder), "-o", str(recordings / "back"), "--format", "wav"]) == 1
    assert "6 files: 3 decoded, 0 skipped (already done), 3 failed" in capsys.readouterr().out
    failed = (recordings / "back" / "failed.tsv").read_text()
    for reason in ("truncated", "not a file of codes", "checksum"):
        assert reason in failed
    assert soundfile.info(recordings / "back" / "sub" / "ü.wav").frames == 40000


@pytest.mark.slow
def test_pipes_in_a_row(recordings, codec_folder):
    path = recordings / "in" / "sub" / "ü.flac"
    with subprocess.Popen(
        script("encode", "-", "--codec", codec_folder), stdin=open(path, "rb"), stdout=subprocess.PIPE
    ) as encoder:
        result = subprocess.run(script("decode", "-"), stdin=encoder.stdout, capture_output=True, check=True)
    assert encoder.returncode == 0
    (recordings / "piped.flac").write_bytes(result.stdout)
    # In processes of their own, as the pipes: with another number of threads the last bit is rounded otherwise.
    codes, back = str(recordings / "codes"), str(recordings / "back")
    subprocess.run(script("encode", str(path), "-o", codes, "--codec", codec_folder), check=True)
    subprocess.run(script("decode", codes, "-o", back), check=True)
    piped, filed = (soundfile.read(recordings / name)[0] for name in ("piped.flac", "back/ü.flac"))
    assert len(piped) == 40000 and np.array_equal(piped, filed)


@pytest.mark.slow
def test_pipe_that_is_no_recording(codec_folder):
    result = subprocess.run(script("encode", "-", "--codec", codec_folder), input=b"no audio", capture_output=True)
    assert result.returncode == 1 and not result.stdout
    assert result.stderr.decode().startswith("codecse encode: standard input: not readable as audio")
    assert result.stderr.count(b"\n") == 1

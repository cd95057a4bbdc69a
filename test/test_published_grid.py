"""The experiments that a recipe's README offers: known codecs, systems that exist, the published combinations."""

import re
from itertools import product
from pathlib import Path

import yaml

from espnet_codecse.codec.resolve import ESPNET_TAGS, TRANSFORMERS_IDS
from espnet_codecse.task.configuration import system_steps

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "egs2/wsj0_2mix"
CODECS = {
    "espnet/amuse_dac_16k", "espnet/amuse_encodec_16k", "espnet/amuse_soundstream16k", "espnet/libritts_dac_16k",
    "dac_16khz",
}  # fmt: skip


def test_the_grid_is_the_published_one_and_its_codecs_are_known():
    text = (RECIPE / "README.md").read_text()
    grid = set(re.findall(r"`--codec (\S+) --system (\w+)`", text))
    assert grid == set(product(CODECS, ("codecformer", "codecformer_el")))
    for codec, system in grid:
        assert codec in {*ESPNET_TAGS, *TRANSFORMERS_IDS}
        assert system_steps(ROOT / "egs2/TEMPLATE/enh1/conf", system)


def test_the_published_rows_of_the_grid_are_there():
    tables = yaml.safe_load((RECIPE / "enh1/paper.yaml").read_text())["tables"]
    by_source = {table["source"]: table["rows"] for table in tables}
    assert [len(by_source[f"Codecformer-EL, table {number}"]) for number in ("I", "II", "III", "IV")] == [4, 6, 6, 3]
    for number in ("II", "III"):
        for row in by_source[f"Codecformer-EL, table {number}"]:
            assert len(row) == 11 and row["row"].endswith((", embedding loss", ", waveform loss"))


def test_levels_and_scores_are_those_of_the_authors():
    for system in ("codecformer", "codecformer_el"):
        conf = ROOT / "egs2/TEMPLATE/enh1/conf" / system
        model_conf = yaml.safe_load((conf / "1_separate.yaml").read_text())["model_conf"]
        assert (model_conf["peak"], model_conf["reference_peak"]) == (1.0, 1.0)
        ours = yaml.safe_load((conf / "variant/mixture_level.yaml").read_text())["model_conf"]
        assert ours == {"peak": 0.9, "reference_peak": None}
    assert "DNSMOS_PEAK" in (RECIPE / "enh1/run.sh").read_text()


def test_what_is_known_of_the_other_papers_is_there():
    tables = {
        name: yaml.safe_load((ROOT / f"egs2/{name}/enh1/paper.yaml").read_text())["tables"]
        for name in ("dns", "vctk_demand")
    }
    cost = next(table["rows"] for table in tables["dns"] if table["title"] == "Cost of LatentSE")
    assert cost == [{"row": "LatentSE", "GMAC": 3.94, "real_time_factor": 0.005, "fewer_GMAC_than_SepFormer": "18 x"}]
    titles = " ".join(table["title"] for table in tables["vctk_demand"])
    assert "Klement" in titles and "FUSE" in titles and "USE-DDP" in titles


def test_the_default_is_of_the_grid():
    script = (RECIPE / "enh1/run.sh").read_text()
    assert re.search(r"--codec (\S+)", script.split("./enh.sh")[1]).group(1) in CODECS
    assert "--system codecformer_el" in script

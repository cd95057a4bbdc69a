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
    assert [len(by_source[f"Codecformer-EL, table {number}"]) for number in ("II", "III", "IV")] == [6, 6, 3]
    for number in ("II", "III"):
        for row in by_source[f"Codecformer-EL, table {number}"]:
            assert len(row) == 11 and row["row"].endswith((", embedding loss", ", waveform loss"))


def test_the_default_is_of_the_grid():
    script = (RECIPE / "enh1/run.sh").read_text()
    assert re.search(r"--codec (\S+)", script.split("./enh.sh")[1]).group(1) in CODECS
    assert "--system codecformer_el" in script

"""``torch.compile`` captures every separator without a break, with and without gradients."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from espnet_codecse.causal.separator import SEPARATORS as CAUSAL
from espnet_codecse.enh.separator.choices import SEPARATORS
from espnet_codecse.length_mask import has_padding

TRANSFORMER = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "dropout": 0.0}
UNET = {"channels": [4, 4], "width": 8, "num_conv_blocks": 1, "num_layers": 1}
DUAL_PATHS = {"num_dual_path_blocks": 1, "dual_path_hidden_size": 4, "filter_size": [3, 3]}
GCRN = {"channels": [2, 2, 4, 4, 4]}
CASES = [
    ("nac_se", {**TRANSFORMER, "normalize": "global"}),
    ("nac_se", {**TRANSFORMER, "normalize": "utterance", "output": "mapping"}),
    ("nac_se", {**TRANSFORMER, "normalize": "none", "predicted_codebooks": 2, "codebook_size": 4}),
    ("codecformer", {**TRANSFORMER, "num_spk": 2}),
    ("identity", {}),
    ("embedding_unet", UNET),
    ("embedding_unet", {**UNET, **DUAL_PATHS}),
    ("embedding_dual_path", {"num_spk": 2, "num_planes": 4, "hidden_size": 4, "num_blocks": 1}),
    ("gcrn", GCRN),
    ("gcrn", {**GCRN, "embedding_size": 8, "condition": "student", "output": "mask"}),
    ("dpcrn", {"channels": [4, 4, 4], "num_blocks": 1, "band_hidden_size": 4, "frame_hidden_size": 4}),
]


def test_every_separator_is_here():
    assert {name for name, _ in CASES} == {*SEPARATORS, *CAUSAL}


@pytest.mark.slow
def test_one_graph(tmp_path):
    (tmp_path / "cases.json").write_text(json.dumps(CASES))
    helper = Path(__file__).resolve().parents[2] / "helpers" / "one_graph.py"
    command = [sys.executable, str(helper), str(tmp_path / "cases.json")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr[-2000:]
    found = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("[")]
    assert [name for name, _, _ in found] == [name for name, _ in CASES for _ in range(2)]
    # In use, one graph serves all lengths. In training, networks with convolutions are captured for each length.
    assert [item for item in found if item[2] > 2 and not item[1]] == []


def test_padding():
    assert has_padding(torch.tensor([3, 2]), 3) and not has_padding(torch.tensor([3, 3]), 3)

"""Where a step's time goes."""

import pytest
import yaml
from tiny_dual_branch import DISCRIMINATORS, HYBRID, ROFORMER, SUPERVISED

from espnet_codecse.bin.main import main


@pytest.mark.slow
@pytest.mark.parametrize("weights", [SUPERVISED, {"clean": 1.0}])
def test_split(tmp_path, weights):
    config = {
        "task": "dual_branch",
        "coder_conf": HYBRID,
        "generator_conf": {"num_quantizers": 2, "roformer": ROFORMER},
        "discriminator_conf": DISCRIMINATORS,
        "reconstruction_conf": {"mel_windows": [256], "mel_bins": [20]},
        "schedule_conf": {"discriminator_interval": 2},
        "model_conf": {"weights": weights},
        "crop_seconds": 0.1,
        "batch_size": 2,
    }
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(config))
    output = tmp_path / "split.md"
    options = ["--config", str(tmp_path / "train.yaml"), "--rounds", "1", "--steps", "1", "--output", str(output)]
    main(["benchmark", "dual_branch", *options])
    rows = {line.split("|")[1]: line.split("|")[2:] for line in output.read_text().splitlines() if line.startswith("|")}
    parts = {"generator", "reconstruction losses"}
    judges = {"discriminators, the generator's turn", "discriminators, their turn", "spectra"}
    assert set(rows) - {"part", "---", "a step on average"} == (parts | judges if "noisy" in weights else parts)
    shares = [int(row[1].split()[0]) for name, row in rows.items() if name in parts | judges and row[1]]
    assert 97 <= sum(shares) <= 103

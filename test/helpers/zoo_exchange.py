"""Writes models with what they make of noise, or compares them:  python zoo_exchange.py write|compare FOLDER

Run with two environments, it tells whether what one ESPnet packed gives the same under another.
"""

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_codecs import save_codec
from tiny_features import save_beats
from tiny_models import save_causal_experiment, save_experiment

from espnet_codecse import SpeechEnhancer
from espnet_codecse.zoo.find import find_model
from espnet_codecse.zoo.pack import PackOptions, pack_model

NUM_SAMPLES = 12001


def write_packs(folder: Path) -> None:
    """Write a model of every way of needing ESPnet, and the outputs of all."""
    mdct = str(save_codec(folder / "mdct", "mdct"))
    experiments = {
        "nac_se": save_experiment(folder / "exp/nac_se", mdct),
        # ESPnet's own separator, and a codec that ESPnet trained.
        "tcn": save_experiment(
            folder / "exp/tcn", mdct, separator="tcn",
            layer=2, stack=1, bottleneck_dim=8, hidden_dim=8, num_spk=2,
        ),
        "soundstream": save_experiment(
            folder / "exp/soundstream", str(save_codec(folder / "codec", "espnet_soundstream"))
        ),
        "causal": save_causal_experiment(folder / "exp/causal"),
    }  # fmt: skip
    for name, experiment in experiments.items():
        pack_model(find_model(str(experiment)), folder / f"{name}.zip", PackOptions())
    # Its configuration names a file of this machine, which no pack does.
    save_causal_experiment(folder / "given_beats", beats=save_beats(folder / "beats.pt"))
    np.savez(folder / "outputs.npz", **outputs_of(folder))


def outputs_of(folder: Path) -> dict[str, np.ndarray]:
    """Return what each model makes of the same noise, ``{name: (speaker, sample)}``."""
    noise = 0.05 * np.random.default_rng(0).standard_normal((1, NUM_SAMPLES)).astype(np.float32)
    outputs = {}
    for model in (*sorted(folder.glob("*.zip")), folder / "given_beats"):
        enhancer = SpeechEnhancer.from_pretrained(model, device="cpu", dtype="float32")
        outputs[model.stem] = np.concatenate(enhancer(noise))
    return outputs


def main() -> None:
    """Write, or compare; the last line printed is JSON: the ESPnet, and each model's largest difference."""
    torch.set_num_threads(1)
    action, folder = sys.argv[1], Path(sys.argv[2])
    found: dict[str, Any] = {"espnet": importlib.metadata.version("espnet")}
    if action == "write":
        write_packs(folder)
    else:
        outputs = outputs_of(folder)
        assert all(np.abs(output).max() > 1e-4 for output in outputs.values()), "an output is silent"
        with np.load(folder / "outputs.npz") as expected:
            assert sorted(expected) == sorted(outputs)
            found["differences"] = {key: float(np.abs(outputs[key] - expected[key]).max()) for key in outputs}
    print(json.dumps(found))


if __name__ == "__main__":
    main()

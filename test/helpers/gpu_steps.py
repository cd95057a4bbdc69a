"""Take steps of training on a GPU that is not there: ``python gpu_steps.py configurations.json``.

The file holds ``{name: configuration}``; a name that ends in ``/stored`` trains from embeddings. The last line of the
output holds ``{name: waits}`` as JSON: what made the host wait in the second step; see :mod:`pretend_gpu`. In the first
step, libraries move constants to the device.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pretend_gpu import NAME, PretendGPU, Wait
from tiny_configurations import build, random_batch


def collated(
    configuration: dict[str, Any], task: Any, args: Any, model: torch.nn.Module, stored: bool = False
) -> dict[str, Any]:
    """Return a batch as the task collates it; recordings differ in length where a system takes it."""
    batch = random_batch(configuration, model)
    if stored:
        batch = {name: torch.randn(2, 20, model.encoder.output_dim) for name in batch if not name.endswith("_lengths")}
    same_length = configuration.get("task") in ("fuse", "fuse_vae", "sgmse")
    items = []
    for index, share in enumerate((1.0, 1.0 if same_length else 0.7)):
        item = {name: value[index].numpy() for name, value in batch.items() if not name.endswith("_lengths")}
        items.append((f"item{index}", {name: _first_part(value, share) for name, value in item.items()}))
    return task.build_collate_fn(args, True)(items)[1]


def _first_part(value: np.ndarray, share: float) -> np.ndarray:
    return value[: max(1, round(share * len(value)))]


def second_step(name: str, configuration: dict[str, Any]) -> list[Wait]:
    """Return what the host waited for in the second step."""
    from espnet2.torch_utils.device_funcs import to_device

    with PretendGPU() as gpu:
        task, args, model = build(configuration)
        turns = [{"forward_generator": turn} for turn in (True, False)] if task.num_optimizers == 2 else [{}]
        model.to(NAME)
        optimizer = torch.optim.Adam(model.parameters(), 1e-4)
        for _ in range(2):
            batch = collated(configuration, task, args, model, name.endswith("/stored"))
            batch = to_device(batch, NAME)
            gpu.waits.clear()
            for turn in turns:
                result = model(**turn, **batch)
                loss = result["loss"] if isinstance(result, dict) else result[0]
                optimizer.zero_grad()
                if loss.requires_grad:
                    loss.backward()
                optimizer.step()
    return gpu.waits


def main(file: str) -> None:
    """Take the steps of all configurations."""
    torch.set_num_threads(1)
    found = {}
    for name, configuration in json.loads(Path(file).read_text()).items():
        found[name] = second_step(name, configuration)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])

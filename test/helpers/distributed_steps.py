"""Two processes take steps of training together: ``python distributed_steps.py configurations.json``.

The file holds ``{name: configuration}``. The last line of the output holds ``{name: error or null}`` as JSON.
"""

import datetime
import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import yaml
from tiny_configurations import random_batch
from torch.distributed import init_process_group, new_group
from torch.nn.parallel import DistributedDataParallel

LIMIT = datetime.timedelta(seconds=60)  # a process that waits for one that has stopped fails


def train(configuration: dict[str, Any]) -> None:
    """Take two steps as ESPnet's trainers do; PyTorch finds parameters without a gradient in the next step."""
    from espnet_codecse.task.model_types import model_type_of

    group = new_group(timeout=LIMIT)
    torch.manual_seed(0)
    task = model_type_of(configuration).load("task")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "train.yaml"
        config.write_text(yaml.safe_dump(configuration))
        args = task.get_parser().parse_args(["--config", str(config), "--output_dir", folder])
    model = task.build_model(args).train()
    if getattr(args, "task", None) == "fuse":
        model.vae.num_batches.fill_(1)  # as after the first step
    parallel = DistributedDataParallel(
        model, process_group=group, find_unused_parameters=bool(getattr(args, "unused_parameters", False))
    )
    optimizer = torch.optim.SGD(model.parameters(), 1e-4)
    turns: list[dict[str, Any]] = [{}]
    if task.num_optimizers == 2:
        turns = [{"forward_generator": True}, {"forward_generator": False}]
    for _ in range(2):
        for turn in turns:
            result = parallel(**turn, **random_batch(configuration, model))
            loss = result["loss"] if isinstance(result, dict) else result[0]
            optimizer.zero_grad()
            if loss.requires_grad:
                loss.backward()
            optimizer.step()


def main(file: str) -> None:
    """Run all configurations in two processes."""
    import espnet_codecse.task.enhancement  # noqa: F401  (imported once for both)

    configurations = json.loads(Path(file).read_text())
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    first = os.fork() > 0
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    init_process_group("gloo", init_method=address, rank=0 if first else 1, world_size=2, timeout=LIMIT)
    errors: dict[str, str | None] = {}
    for name, configuration in configurations.items():
        try:
            train(configuration)
            errors[name] = None
        except Exception as error:
            errors[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if not first:
        os._exit(0)
    os.wait()
    print(json.dumps(errors))


if __name__ == "__main__":
    main(sys.argv[1])

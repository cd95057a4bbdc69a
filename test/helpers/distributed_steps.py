"""Two processes take steps of training together: ``python distributed_steps.py configurations.json``.

The file holds ``{name: configuration}``. The last line of the output holds ``{name: error or null}`` as JSON.
"""

import datetime
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import torch
from tiny_configurations import build, random_batch
from torch.distributed import init_process_group, new_group
from torch.nn.parallel import DistributedDataParallel

LIMIT = datetime.timedelta(seconds=60)  # a process that waits for one that has stopped fails


def train(configuration: dict[str, Any]) -> None:
    """Take two steps as ESPnet's trainers do; PyTorch finds parameters without a gradient in the next step."""
    group = new_group(timeout=LIMIT)
    task, args, model = build(configuration)
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

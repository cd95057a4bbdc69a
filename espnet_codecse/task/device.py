"""What the trainings do with the machine."""

import os
from typing import List


def device_options() -> List[str]:
    """Return ESPnet's options for this machine's device; without a GPU let torch use all cores.

    Recipes export ``OMP_NUM_THREADS=1`` for their parallel jobs, but a training is one process.
    """
    import torch

    if torch.cuda.is_available():
        return []
    use_all_cores()
    return ["--ngpu", "0"]


def use_all_cores() -> None:
    """Let torch use every core that this process may run on."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))

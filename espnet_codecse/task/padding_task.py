"""Base class of this package's own tasks, with the parts that ESPnet's base class leaves open."""

import argparse
from collections.abc import Callable, Collection
from typing import ClassVar

import numpy as np
import torch
from espnet2.tasks.abs_task import AbsTask
from espnet2.train.collate_fn import CommonCollateFn


class PaddingTask(AbsTask):
    """A task without tables of class choices, whose batches are padded with zeros."""

    class_choices_list: ClassVar[list] = []

    @classmethod
    def build_collate_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Callable[[Collection[tuple[str, dict[str, np.ndarray]]]], tuple[list[str], dict[str, torch.Tensor]]]:
        """Return the function that makes batches."""
        return CommonCollateFn(float_pad_value=0.0, int_pad_value=0)

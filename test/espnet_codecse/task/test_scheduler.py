"""The learning rate stays in the first epochs, and is halved on a plateau after them."""

from pathlib import Path

import pytest
import torch
import yaml
from espnet2.tasks.abs_task import scheduler_classes

from espnet_codecse.task.scheduler import DelayedPlateau

RATE = 1.5e-4
TEMPLATE = Path(__file__).resolve().parents[3] / "egs2/TEMPLATE/enh1/conf"


def rates(values, **options) -> list[float]:
    """Learning rates after each epoch with the validation losses ``values``, in units of the first one."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    scheduler = DelayedPlateau(optimizer, factor=0.5, patience=2, **options)
    found = []
    for value in values:
        scheduler.step(value)
        found.append(optimizer.param_groups[0]["lr"] / RATE)
    return found


def test_never_before_epoch_5_nor_because_of_it():
    assert rates([1.0] + [2.0] * 10, start_epoch=5) == [1, 1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert rates([1.0] + [2.0] * 6, start_epoch=0) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]  # the plain one
    assert rates([5, 4, 3, 2, 1, 2, 2, 2], start_epoch=5) == [1] * 7 + [0.5]  # epoch 5 is to be beaten
    assert rates([1, 2, 3, 4, 9, 8, 7, 6, 5, 4], start_epoch=5) == [1] * 10  # earlier ones are not
    assert rates([2.0] + [1.0] * 8, start_epoch=5, mode="max")[-1] == 0.5


def test_it_resumes():
    losses = [1.0] + [2.0] * 10
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    scheduler = DelayedPlateau(optimizer, factor=0.5, patience=2)
    for number, value in enumerate(losses):
        if number == 4:
            state = scheduler.state_dict()
            scheduler = DelayedPlateau(optimizer, factor=0.5, patience=2)
            scheduler.load_state_dict(state)
        scheduler.step(value)
    assert optimizer.param_groups[0]["lr"] / RATE == rates(losses)[-1] == 0.25


@pytest.mark.parametrize("step", ["codecformer/1_separate", "codecformer_el/1_separate", "nac_se/1_enhance"])
def test_configurations_that_claim_codecformers_training(step):
    conf = yaml.safe_load((TEMPLATE / f"{step}.yaml").read_text())
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], **conf["optim_conf"])
    scheduler = scheduler_classes[conf["scheduler"]](optimizer, **conf["scheduler_conf"])  # in ESPnet's table
    assert isinstance(scheduler, DelayedPlateau) and scheduler.start_epoch == 5
    assert (scheduler.factor, scheduler.patience, scheduler.mode) == (0.5, 2, "min")


def test_espnet_steps_it_with_the_validation_loss():
    from espnet2.schedulers.abs_scheduler import AbsBatchStepScheduler, AbsValEpochStepScheduler

    assert issubclass(DelayedPlateau, AbsValEpochStepScheduler) and not issubclass(
        DelayedPlateau, AbsBatchStepScheduler
    )

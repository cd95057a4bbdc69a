"""Schedule and inputs of the discriminators."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from espnet_codecse.dual_branch.branches import SIGNALS
from espnet_codecse.dual_branch.discriminator import SpectrumDiscriminators, scores_of
from espnet_codecse.dual_branch.generator import without_gradient
from espnet_codecse.dual_branch.losses import AdversarialLoss
from espnet_codecse.host_value import HostValue

MOMENTUM = 0.95  # of the running mean of an accuracy, per step
LEAST_WARM_UP = 20  # observations; before, a running mean says little


class Pair(NamedTuple):
    """Signals that an ensemble discriminates: ``(item, sample)``, and their lengths ``(item,)`` in samples, on the CPU.

    Attributes:
        paired: whether the i-th fake is an estimate of the i-th real signal, which feature matching requires.
    """

    fake: torch.Tensor
    fake_lengths: torch.Tensor
    real: torch.Tensor
    real_lengths: torch.Tensor
    paired: bool


class Schedule(torch.nn.Module):
    """Count the generator's steps of this training, including those before an interruption.

    Args:
        discriminator_start: number of steps before the discriminators are trained.
        adversarial_start: number of steps before the generator gets adversarial losses.
        discriminator_interval: number of steps between two updates of the discriminators.
        nets_per_step: number of discriminators per ensemble that are used in a step, drawn at random; None: all. The
            expected gradient does not change.
        warm_up_accuracy: train only the discriminators until each ensemble's accuracy on held-out items of the batches
            (a running mean) is above this value; None: no warm-up. A discriminator at chance teaches the generator
            nothing.
        warm_up_steps: largest number of steps of the warm-up.
    """

    def __init__(
        self,
        discriminator_start: int = 0,
        adversarial_start: int = 0,
        discriminator_interval: int = 1,
        nets_per_step: int | None = None,
        warm_up_accuracy: float | None = None,
        warm_up_steps: int = 5000,
    ):
        super().__init__()
        self.discriminator_start, self.adversarial_start = discriminator_start, adversarial_start
        self.discriminator_interval, self.nets_per_step = discriminator_interval, nets_per_step
        self.warm_up_accuracy, self.warm_up_steps = warm_up_accuracy, warm_up_steps
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.long))
        if warm_up_accuracy is not None:
            self.register_buffer("warm", torch.zeros((), dtype=torch.bool))
            self.register_buffer("accuracy", torch.zeros(len(SIGNALS)))
            self.register_buffer("num_observed", torch.zeros((), dtype=torch.long))
        self._num_steps, self._warm, self._num_observed = HostValue(), HostValue(), HostValue()

    def restart(self) -> None:
        """Reset the state, because a checkpoint that a training starts from contains its own."""
        for buffer in self.buffers():
            buffer.zero_()

    def count(self, num_steps: int) -> None:
        """Add ``num_steps`` to the number of steps."""
        self._num_steps.add(self.num_steps, num_steps)

    @property
    def warming_up(self) -> bool:
        """Whether only the discriminators are trained in this step."""
        return self.warm_up_accuracy is not None and not self._warm.read(self.warm)

    @property
    def held_out_share(self) -> float:
        """Share of the items that the discriminators are not trained on, but judged by."""
        return 0.25 if self.warming_up else 0.0

    def observe(self, accuracies: Mapping[str, torch.Tensor]) -> None:
        """Take the accuracies of all ensembles on held-out items in the warm-up, which may end.

        They decide what the next step does, so that the host waits for them, but only in the warm-up.
        """
        self._num_observed.add(self.num_observed, 1)
        num_observed = self._num_observed.read(self.num_observed)
        num_steps = self._num_steps.read(self.num_steps) + 1
        # The running means start at zero.
        share, reached = 1 - MOMENTUM**num_observed, math.inf
        for name, value in accuracies.items():
            mean = self.accuracy[SIGNALS.index(name)].mul_(MOMENTUM).add_((1 - MOMENTUM) * float(value))
            reached = min(reached, float(mean) / share)
        enough = num_observed >= LEAST_WARM_UP and reached > (self.warm_up_accuracy or 0.0)
        if enough or num_steps >= self.warm_up_steps:
            logging.info(f"discriminators: warm-up ends after {num_steps} steps, accuracy {reached:.2f}")
            self.warm.fill_(True)

    @property
    def adversarial(self) -> bool:
        """Whether the generator gets adversarial losses in this step."""
        return not self.warming_up and self._num_steps.read(self.num_steps) >= self.adversarial_start

    @property
    def discriminating(self) -> bool:
        """Whether the discriminators are trained in this step."""
        late = self._num_steps.read(self.num_steps) - self.discriminator_start
        return self.warming_up or (late >= 0 and late % self.discriminator_interval == 0)

    def draw(self, num_nets: int) -> list[int]:
        """Return the indices of the discriminators that are used in this step."""
        if self.nets_per_step is None or self.nets_per_step >= num_nets:
            return list(range(num_nets))
        return sorted(torch.randperm(num_nets)[: self.nets_per_step].tolist())


def generator_losses(
    discriminators: SpectrumDiscriminators,
    criterion: AdversarialLoss,
    pairs: Mapping[str, Pair],
    chosen: Sequence[int],
    match_features: bool,
    dtype: torch.dtype,
) -> dict[str, torch.Tensor]:
    """Return ``adversarial_<ensemble>`` and, for paired signals, ``features_<ensemble>``."""
    fakes = {name: pair.fake for name, pair in pairs.items()}
    with without_gradient(discriminators):
        fake = discriminators(fakes, {name: pair.fake_lengths for name, pair in pairs.items()}, chosen, dtype)
    paired = {name: pair for name, pair in pairs.items() if pair.paired and match_features}
    real: dict[str, Any] = {}
    if paired:
        with torch.no_grad():
            signals = {name: pair.real for name, pair in paired.items()}
            lengths = {name: pair.real_lengths for name, pair in paired.items()}
            real = discriminators(signals, lengths, chosen, dtype)
    losses = {}
    for name in pairs:
        counterpart = scores_of(real[name], slice(None)) if name in real else None
        for kind, value in criterion.of_generator(scores_of(fake[name], slice(None)), counterpart).items():
            losses[f"{kind}_{name}"] = value
    return losses


def discriminator_losses(
    discriminators: SpectrumDiscriminators,
    criterion: AdversarialLoss,
    pairs: Mapping[str, Pair],
    chosen: Sequence[int],
    dtype: torch.dtype,
    held_out_share: float = 0.0,
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the losses ``real_<ensemble>`` and ``fake_<ensemble>``, and the accuracies ``()`` of the ensembles.

    Each network processes fake and real signals in one batch.

    Args:
        discriminators, criterion, pairs, chosen, dtype: see :func:`generator_losses`.
        held_out_share: share of the items, at least one of each kind, that are left out of the losses, and on which the
            accuracies are computed; 0: all items have both.
    """
    both, lengths = {}, {}
    for name, pair in pairs.items():
        both[name], lengths[name] = _together(pair)
    scores = discriminators(both, lengths, chosen, dtype)
    losses, accuracies = {}, {}
    for name, pair in pairs.items():
        count, total = len(pair.fake), len(both[name])
        held_fake, held_real = (_num_held_out(number, held_out_share) for number in (count, total - count))
        fake = scores_of(scores[name], slice(count - held_fake))
        real = scores_of(scores[name], slice(count, total - held_real))
        for kind, value in criterion.of_discriminator(fake, real).items():
            losses[f"{kind}_{name}"] = value
        # The mean over networks, frames and bins decides.
        decided = torch.stack([torch.stack([item.mean() for item in net[-1]]) for net in scores[name]]).mean(0) > 0.5
        first_fake = count - held_fake if held_fake else 0
        first_real = total - held_real if held_real else count
        correct = torch.cat([~decided[first_fake:count], decided[first_real:]])
        accuracies[name] = correct.float().mean()
    return losses, accuracies


def _num_held_out(count: int, share: float) -> int:
    """Return the number of items to leave out of ``count``; at least one item is left for the losses."""
    return min(count - 1, max(1, round(share * count))) if share else 0


def _together(pair: Pair) -> tuple[torch.Tensor, torch.Tensor]:
    num_samples = max(pair.fake.shape[1], pair.real.shape[1])
    signals = [torch.nn.functional.pad(signal, (0, num_samples - signal.shape[1])) for signal in (pair.fake, pair.real)]
    return torch.cat(signals), torch.cat([pair.fake_lengths, pair.real_lengths])

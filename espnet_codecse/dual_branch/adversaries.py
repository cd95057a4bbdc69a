"""Schedule and inputs of the discriminators."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from espnet_codecse.dual_branch.discriminator import SpectrumDiscriminators, scores_of
from espnet_codecse.dual_branch.generator import without_gradient
from espnet_codecse.dual_branch.losses import AdversarialLoss


class Pair(NamedTuple):
    """Signals that an ensemble discriminates: ``(item, sample)``, and their lengths ``(item,)`` in samples.

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
    """

    def __init__(
        self,
        discriminator_start: int = 0,
        adversarial_start: int = 0,
        discriminator_interval: int = 1,
        nets_per_step: int | None = None,
    ):
        super().__init__()
        self.discriminator_start, self.adversarial_start = discriminator_start, adversarial_start
        self.discriminator_interval, self.nets_per_step = discriminator_interval, nets_per_step
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.long))

    def restart(self) -> None:
        """Reset the count, because a checkpoint that a training starts from contains its own count."""
        self.num_steps.zero_()

    @property
    def adversarial(self) -> bool:
        """Whether the generator gets adversarial losses in this step."""
        return int(self.num_steps) >= self.adversarial_start

    @property
    def discriminating(self) -> bool:
        """Whether the discriminators are trained in this step."""
        late = int(self.num_steps) - self.discriminator_start
        return late >= 0 and late % self.discriminator_interval == 0

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
) -> dict[str, torch.Tensor]:
    """Return ``real_<ensemble>`` and ``fake_<ensemble>``; each network processes fake and real signals in one batch."""
    both, lengths = {}, {}
    for name, pair in pairs.items():
        both[name], lengths[name] = _together(pair)
    scores = discriminators(both, lengths, chosen, dtype)
    losses = {}
    for name, pair in pairs.items():
        count = len(pair.fake)
        fake, real = scores_of(scores[name], slice(count)), scores_of(scores[name], slice(count, None))
        for kind, value in criterion.of_discriminator(fake, real).items():
            losses[f"{kind}_{name}"] = value
    return losses


def _together(pair: Pair) -> tuple[torch.Tensor, torch.Tensor]:
    num_samples = max(pair.fake.shape[1], pair.real.shape[1])
    signals = [torch.nn.functional.pad(signal, (0, num_samples - signal.shape[1])) for signal in (pair.fake, pair.real)]
    return torch.cat(signals), torch.cat([pair.fake_lengths, pair.real_lengths])

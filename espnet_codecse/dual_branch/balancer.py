"""Shares of the gradient instead of weights of losses (Defossez et al., 2022, section 3.4)."""

from collections.abc import Mapping, Sequence

import torch


def balanced_loss(
    losses: Mapping[str, tuple[float, torch.Tensor]], outputs: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return what to differentiate so that each loss has its share of the gradient at ``outputs``.

    Every loss's gradient is brought to unit size per item and weighted by its weight over the sum of weights: a loss
    whose scale drifts, as adversarial ones do, keeps its influence. Sizes are those of this step; EnCodec's average
    over steps would be one more state to carry.

    Args:
        losses: ``{name: (weight, value)}``, each reaching the generator through ``outputs`` only.
        outputs: ``(batch, sample)`` each.

    Returns:
        ``(a scalar whose gradient is the balanced one, {name: size of the gradient before})``.
    """
    total = sum(weight for weight, _ in losses.values())
    combined: list[torch.Tensor] = [torch.zeros_like(output) for output in outputs]
    sizes = {}
    for name, (weight, value) in losses.items():
        gradients = torch.autograd.grad(value, list(outputs), retain_graph=True, allow_unused=True)
        squares = [gradient.square().sum() for gradient in gradients if gradient is not None]
        size = torch.stack(squares).sum().sqrt() if squares else value.new_zeros(())
        sizes[name] = size
        if not squares or not bool(size > 0):
            continue
        for sum_, gradient in zip(combined, gradients):
            if gradient is not None:
                sum_ += weight / total * gradient / size
    return sum((output * gradient).sum() for output, gradient in zip(outputs, combined)), sizes

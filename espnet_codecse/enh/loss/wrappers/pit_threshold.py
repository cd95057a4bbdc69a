"""Permutation-invariant training that ignores utterances that are already well separated."""

import torch
from espnet2.enh.loss.criterions.abs_loss import AbsEnhLoss
from espnet2.enh.loss.wrappers.pit_solver import PITSolver


class ThresholdPITSolver(PITSolver):
    """ESPnet's PIT solver; in training, utterances whose loss is at most ``threshold`` are excluded from the mean.

    There is nothing left to learn from a separation better than 30 dB, but the gradient of the logarithm is as large as
    for any other utterance (Codecformer's training, 2406.12434, as in SpeechBrain's SepFormer).

    Args:
        criterion: criterion that returns one loss per utterance, such as ``si_snr``.
        weight, independent_perm, flexible_numspk: see :class:`PITSolver`.
        threshold: threshold in the criterion's unit; dB for ``si_snr``.
    """

    def __init__(
        self,
        criterion: AbsEnhLoss,
        weight: float = 1.0,
        independent_perm: bool = True,
        flexible_numspk: bool = False,
        threshold: float = -30.0,
    ):
        super().__init__(criterion, weight, independent_perm, flexible_numspk)
        self.threshold = threshold

    def forward(
        self, ref: list[torch.Tensor], inf: list[torch.Tensor], others: dict | None = None
    ) -> tuple[torch.Tensor, dict, dict]:
        """Return ``(loss, stats, {"perm": (batch, speaker)})``.

        Args:
            ref, inf: one ``(batch, ...)`` per speaker.
            others: values returned by an earlier wrapper.
        """
        if not torch.is_grad_enabled():
            return super().forward(ref, inf, others or {})
        # Gradients are not needed to find the order. With three speakers, the graphs of five of six orders would be
        # kept in memory for nothing.
        with torch.no_grad():
            _, stats, order = super().forward(ref, inf, others or {})
        estimates = torch.stack(list(inf), dim=1)
        items = torch.arange(len(estimates), device=estimates.device)
        losses = torch.stack(
            [self.criterion(ref[index], estimates[items, order["perm"][:, index]]) for index in range(len(inf))]
        ).mean(0)
        kept = losses > self.threshold
        # If no utterance is left, the gradient of the batch is zero.
        loss = (losses * kept).sum() / kept.sum().clamp(min=1)
        return loss, {**stats, self.criterion.name: losses.detach().mean()}, order

"""A waveform loss on what is left of the noise where nobody speaks."""

import torch
from espnet2.enh.loss.criterions.time_domain import TimeDomainLoss
from torch.nn import functional as F

FRAME = 512  # samples


class ResidualNoiseLoss(TimeDomainLoss):
    """Level of the estimate above that of the reference in the reference's pauses, in dB.

    A frame belongs to a pause if the reference's power in it is ``threshold_db`` below that of its loudest frame. The
    loss is the sum over such frames, divided by the number of all frames: a signal without pauses has none. Losses that
    are relative to the whole signal, such as SNR, hardly see pauses, but listeners do.

    Args:
        threshold_db: how far below the loudest frame pauses are.
        floor_db: levels below this one, relative to the loudest frame, do not differ.
        name: name of the value in logs.
    """

    def __init__(self, threshold_db: float = 35.0, floor_db: float = -60.0, name: str = "", only_for_test=False):
        super().__init__(name or "residual_noise_loss", only_for_test=only_for_test)
        self.threshold, self.floor = 10.0 ** (-threshold_db / 10.0), 10.0 ** (floor_db / 10.0)

    def forward(self, ref: torch.Tensor, inf: torch.Tensor) -> torch.Tensor:
        """Return ``(batch,)`` in dB for two waveforms ``(batch, sample)``."""
        reference, estimate = (_frame_powers(speech) for speech in (ref, inf))
        # 1e-10 is below the resolution of 16 bits; it keeps silence finite.
        loudest = reference.amax(1, keepdim=True) + 1e-10
        reference, estimate = reference / loudest, estimate / loudest
        above_db = 10 * torch.log10((estimate + self.floor) / (reference + self.floor))
        return (F.relu(above_db) * (reference < self.threshold)).mean(1)


def _frame_powers(speech: torch.Tensor) -> torch.Tensor:
    """Return the mean power ``(batch, frame)`` of frames that overlap by half."""
    padded = F.pad(speech, (0, max(0, FRAME - speech.shape[1])))
    return F.avg_pool1d(padded.square().unsqueeze(1), FRAME, FRAME // 2, ceil_mode=True).squeeze(1)

"""Reconstruction and adversarial losses, based on ESPnet's."""

from collections.abc import Mapping, Sequence

import torch
from espnet2.enh.loss.criterions.time_domain import MultiResL1SpecLoss, SISNRLoss
from espnet2.gan_tts.hifigan.loss import (
    DiscriminatorAdversarialLoss,
    FeatureMatchLoss,
    GeneratorAdversarialLoss,
    MelSpectrogramLoss,
)

SILENCE = 1e-12  # mean square below which a reference counts as silent


class ReconstructionLoss(torch.nn.Module):
    """SI-SDR plus log-mel distance (eq. 3); with several resolutions and an STFT term, the loss of USE-DDP.

    Args:
        sample_rate: Hz.
        si_sdr: weight of the negative SI-SDR, per dB.
        mel: weight of the mean absolute difference of log10 mel spectra, averaged over resolutions.
        mel_windows: window lengths in samples; the hop is a quarter of the window.
        mel_bins: number of mel bands for each window.
        stft: weight of the mean absolute difference of magnitudes.
        stft_windows: window lengths in samples; the hop is half of the window.
        clamp_db: the SI-SDR is clamped to plus and minus this value, dB.
    """

    def __init__(
        self,
        sample_rate: int,
        si_sdr: float = 1.0,
        mel: float = 15.0,
        mel_windows: Sequence[int] = (1024,),
        mel_bins: Sequence[int] = (80,),
        stft: float = 0.0,
        stft_windows: Sequence[int] = (2048, 512),
        clamp_db: float = 40.0,
    ):
        super().__init__()
        if len(mel_windows) != len(mel_bins):
            raise ValueError(f"{len(mel_windows)} mel_windows, but {len(mel_bins)} mel_bins")
        self.weights = {"si_sdr": si_sdr, "mel": mel, "stft": stft}
        self.si_sdr = SISNRLoss(clamp_db=clamp_db)
        self.mel = torch.nn.ModuleList(
            MelSpectrogramLoss(fs=sample_rate, n_fft=window, hop_length=window // 4, n_mels=bins)
            for window, bins in zip(mel_windows, mel_bins)
        )
        self.stft = MultiResL1SpecLoss(list(stft_windows), time_domain_weight=0.0, reduction="mean")
        # Filters and windows follow from the configuration, so that checkpoints do not contain them.
        for module in self.modules():
            for name, buffer in list(module.named_buffers(recurse=False)):
                module.register_buffer(name, buffer, persistent=False)

    def forward(self, estimate: torch.Tensor, reference: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``{"loss", "si_sdr" (dB), ...}``, averaged over the batch.

        Args:
            estimate, reference: ``(batch, sample)``, zero after the end of each item. The SI-SDR of silent references
                is left out.
        """
        sounds = (reference.square().mean(1) > SILENCE) & (estimate.detach().square().mean(1) > SILENCE)
        values: dict[str, torch.Tensor] = {}
        # Items are masked, not chosen: the host would wait for their number. No gradient passes through silent ones.
        heard = (torch.where(sounds[:, None], signal, 1.0) for signal in (reference, estimate))
        values["si_sdr"] = torch.where(sounds, self.si_sdr(*heard), 0.0).sum() / sounds.sum().clamp(min=1)
        if self.weights["mel"]:
            values["mel"] = torch.stack([loss(estimate, reference) for loss in self.mel]).mean()
        if self.weights["stft"]:
            values["stft"] = self.stft(reference, estimate).mean()
        values["loss"] = sum(self.weights[name] * value for name, value in values.items())
        values["si_sdr"] = -values["si_sdr"].detach()
        return values


class AdversarialLoss(torch.nn.Module):
    """Least-squares GAN losses and feature matching."""

    def __init__(self):
        super().__init__()
        self.generator = GeneratorAdversarialLoss(loss_type="mse")
        self.discriminator = DiscriminatorAdversarialLoss(loss_type="mse")
        self.features = FeatureMatchLoss(include_final_outputs=False)

    def of_generator(self, fake, real: list | None = None) -> dict[str, torch.Tensor]:
        """Return ``adversarial`` and, if the scores of the real counterparts are given, ``features``."""
        losses = {"adversarial": self.generator(fake)}
        if real is not None:
            # In bfloat16, a mean over thousands of features would be off.
            fake, real = ([[*(f.float() for f in item[:-1]), item[-1]] for item in scores] for scores in (fake, real))
            losses["features"] = self.features(fake, real)
        return losses

    def of_discriminator(self, fake, real) -> dict[str, torch.Tensor]:
        """Return the losses of classifying ``real`` as 1 and ``fake`` as 0."""
        real_loss, fake_loss = self.discriminator(fake, real)
        return {"real": real_loss, "fake": fake_loss}


def balanced_loss(
    losses: Mapping[str, tuple[float, torch.Tensor]], outputs: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return a scalar whose gradient at ``outputs`` is a weighted sum of normalised gradients of the losses.

    The gradient of each loss is normalised per item and multiplied by its share of the sum of weights. A loss whose
    scale drifts, such as an adversarial loss, therefore keeps its influence. The norms are those of this step; EnCodec
    averages them over steps, which would require another state.

    Args:
        losses: ``{name: (weight, value)}``; each depends on the generator only through ``outputs``.
        outputs: each ``(batch, sample)``.

    Returns:
        ``(scalar with the balanced gradient, {name: norm of the gradient before})``.
    """
    total = sum(weight for weight, _ in losses.values())
    combined: list[torch.Tensor] = [torch.zeros_like(output) for output in outputs]
    sizes = {}
    for name, (weight, value) in losses.items():
        gradients = torch.autograd.grad(value, list(outputs), retain_graph=True, allow_unused=True)
        squares = [gradient.square().sum() for gradient in gradients if gradient is not None]
        size = torch.stack(squares).sum().sqrt() if squares else value.new_zeros(())
        sizes[name] = size
        for sum_, gradient in zip(combined, gradients):
            if gradient is not None:
                sum_ += torch.where(size > 0, weight / total * gradient / size, 0.0)
    return sum((output * gradient).sum() for output, gradient in zip(outputs, combined)), sizes

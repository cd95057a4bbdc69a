"""Training of the VAE, the first step."""

import torch
from espnet2.train.abs_espnet_model import AbsESPnetModel

from espnet_codecse.fuse.spectrogram import CompressedSpectrogram
from espnet_codecse.fuse.vae import SpectrogramVAE
from espnet_codecse.level import peak_gain
from espnet_codecse.step_result import step_result


class FuseVAEModel(AbsESPnetModel):
    """Reconstruction error and KL divergence of clean and noisy spectrograms.

    Args:
        spectrogram: the front end.
        vae: the network.
        mse_weight: weight of the mean squared error of compressed spectrograms.
        kl_weight: weight of the KL divergence to the standard normal, per latent value. The paper gives no weights; 1
            and 1e-6 are those of latent diffusion.
        time_weight: weight of the mean absolute error of waveforms, computed through the inverse STFT.
    """

    def __init__(
        self,
        spectrogram: CompressedSpectrogram,
        vae: SpectrogramVAE,
        mse_weight: float = 1.0,
        kl_weight: float = 1e-6,
        time_weight: float = 0.0,
    ):
        super().__init__()
        self.spectrogram, self.vae = spectrogram, vae
        self.mse_weight, self.kl_weight, self.time_weight = mse_weight, kl_weight, time_weight

    def forward(
        self, speech_mix: torch.Tensor, speech_ref1: torch.Tensor, peak: torch.Tensor, **kwargs: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """Return ``(loss, stats, batch size)``.

        Args:
            speech_mix, speech_ref1: windows of noisy and clean speech, ``(batch, sample)``.
            peak: ``(batch, 1)``, peak of the noisy recording that the window was cut from.
            kwargs: lengths, which are all equal.
        """
        speech = torch.cat([speech_mix, speech_ref1]) * peak_gain(torch.cat([peak, peak]))
        target = self.spectrogram(speech)
        estimate, divergence = self.vae(target)
        error = (estimate - target).square().mean()
        loss = self.mse_weight * error + self.kl_weight * divergence
        # The error in dB relative to the target's power is easier to interpret.
        ratio = -10 * torch.log10(error.detach() / target.square().mean().clamp_min(1e-12))
        stats = {"mse": error.detach(), "kl": divergence.detach(), "snr": ratio}
        if self.time_weight:
            decoded = self.spectrogram.inverse(estimate, speech.shape[1])
            difference = (decoded - speech).abs().mean()
            loss = loss + self.time_weight * difference
            stats["time"] = difference.detach()
        stats["loss"] = loss.detach()
        return step_result(loss, stats, len(speech_mix))

    def collect_feats(self, speech_mix: torch.Tensor, **kwargs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the tensors for ESPnet's statistics, which are not used."""
        return {"feats": speech_mix}

"""The variational autoencoder between spectrograms and latents (paper, section 2.2)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

# The statistics of the latents are an exponential moving average over this many batches.
STATISTICS_BATCHES = 200
INITIAL_LOG_VARIANCE = -6.0


class SpectrogramVAE(torch.nn.Module):
    """diffusers' AutoencoderKL on two-channel spectrograms, with latents of zero mean and unit variance.

    The paper gives no layout. The default is that of latent diffusion (2112.10752): three levels, halved twice, so that
    256 x 256 becomes 64 x 64.

    Args:
        channels: channels of each level; every level but the last is halved in both directions.
        layers_per_block: number of residual blocks per level.
        latent_channels: number of channels of the latent.
        norm_groups: number of groups of the group normalisation; it must divide all channels.
        mid_attention: use self-attention over the whole latent.
        patch: squares of ``patch x patch`` bins and frames become channels before the first level, which then costs
            ``patch ** 2`` times less.
        scale: internal scale factor of compressed spectrograms. Their standard deviation is about 0.07 at a peak of 1,
            while the outputs of an untrained network are near 1.
    """

    def __init__(
        self,
        channels: Sequence[int] = (64, 128, 256),
        layers_per_block: int = 2,
        latent_channels: int = 8,
        norm_groups: int = 32,
        mid_attention: bool = True,
        patch: int = 1,
        scale: float = 10.0,
    ):
        super().__init__()
        self.latent_channels, self.patch, self.scale = latent_channels, patch, scale
        self.reduction = patch * 2 ** (len(channels) - 1)
        self.network = AutoencoderKL(
            in_channels=2 * patch**2,
            out_channels=2 * patch**2,
            down_block_types=("DownEncoderBlock2D",) * len(channels),
            up_block_types=("UpDecoderBlock2D",) * len(channels),
            block_out_channels=tuple(channels),
            layers_per_block=layers_per_block,
            latent_channels=latent_channels,
            norm_num_groups=norm_groups,
            mid_block_add_attention=mid_attention,
        )
        # Start with nearly noiseless latents. With a variance of 1, decoders first learn to output nothing.
        torch.nn.init.constant_(self.network.quant_conv.bias[latent_channels:], INITIAL_LOG_VARIANCE)
        self.register_buffer("mean", torch.zeros(latent_channels))
        self.register_buffer("square", torch.ones(latent_channels))
        self.register_buffer("num_batches", torch.zeros((), dtype=torch.long))

    def forward(self, spectrogram: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a spectrogram, draw a latent from the posterior, and decode it.

        Args:
            spectrogram: ``(batch, 2, bin, frame)``; bins and frames are multiples of ``reduction``.

        Returns:
            ``(reconstruction (batch, 2, bin, frame), KL divergence to the standard normal per latent value ())``.
        """
        posterior = self._posterior(spectrogram)
        latent = posterior.sample() if self.training else posterior.mode()
        if self.training:
            self._count(latent.detach())
        divergence = posterior.kl().sum() / latent.numel()
        return self._decode(latent), divergence

    def _posterior(self, spectrogram: torch.Tensor):
        posterior = self.network.encode(F.pixel_unshuffle(spectrogram * self.scale, self.patch)).latent_dist
        if posterior.parameters.dtype == torch.float32:
            return posterior
        return DiagonalGaussianDistribution(posterior.parameters.float())  # for sums, under autocast

    def _decode(self, latent: torch.Tensor) -> torch.Tensor:
        return F.pixel_shuffle(self.network.decode(latent).sample.float(), self.patch) / self.scale

    def reconstruct(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, 2, bin, frame)`` after encoding and decoding the mean of the posterior."""
        return self._decode(self._posterior(spectrogram).mode())

    @torch.no_grad()
    def _count(self, latent: torch.Tensor) -> None:
        """Update the statistics with ``latent (batch, channel, bin, frame)``."""
        self.num_batches += 1
        weight = torch.clamp(1 / self.num_batches.float(), min=1 / STATISTICS_BATCHES)
        self.mean.lerp_(latent.mean((0, 2, 3)), weight)
        self.square.lerp_(latent.square().mean((0, 2, 3)), weight)

    def _deviation(self) -> torch.Tensor:
        return (self.square - self.mean.square()).clamp_min(1e-6).sqrt()[:, None, None]

    def encode(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """Return the normalised posterior mean, ``(batch, channel, bin / reduction, frame / reduction)``."""
        return (self._posterior(spectrogram).mode() - self.mean[:, None, None]) / self._deviation()

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, 2, bin, frame)`` of a normalised latent."""
        return self._decode(latent * self._deviation() + self.mean[:, None, None])


class NoVAE(torch.nn.Module):
    """Replacement for the VAE with the same interface, for diffusion on the spectrogram itself.

    Args:
        scale: factor that brings the standard deviation of compressed spectrograms close to that of the noise.
    """

    latent_channels, reduction = 2, 1

    def __init__(self, scale: float = 10.0):
        super().__init__()
        self.scale = scale
        self.register_buffer("num_batches", torch.ones((), dtype=torch.long))

    def encode(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """Return the scaled spectrogram."""
        return spectrogram * self.scale

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Invert :meth:`encode`."""
        return latent / self.scale

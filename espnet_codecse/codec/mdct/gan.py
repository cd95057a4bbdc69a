"""The small codec as an ESPnet-Codec model, for training with ESPnet's codec task and GAN trainer."""

from typing import Any

import torch
from espnet2.gan_codec.abs_gan_codec import AbsGANCodec
from espnet2.gan_codec.shared.discriminator.stft_discriminator import ComplexSTFTDiscriminator
from espnet2.gan_codec.shared.loss.freq_loss import MultiScaleMelSpectrogramLoss
from espnet2.gan_tts.hifigan.loss import DiscriminatorAdversarialLoss, FeatureMatchLoss, GeneratorAdversarialLoss
from espnet2.torch_utils.device_funcs import force_gatherable

from espnet_codecse.codec.mdct.model import MDCTCodecNet


def snr_loss(estimate: torch.Tensor, reference: torch.Tensor, ceiling_db: float = 40.0) -> torch.Tensor:
    """Return the mean negative signal-to-noise ratio in dB of ``(batch, 1, sample)``, saturating at ``ceiling_db``.

    Mel losses alone do not constrain the waveform. This term makes the embedding preserve the signal itself.
    """
    energy = reference.square().sum((1, 2))
    error = (estimate - reference).square().sum((1, 2))
    floor = 10 ** (-ceiling_db / 10)
    ratio = (error + floor * energy + 1e-7) / (energy + 1e-7)
    return 10 * ratio.log10().mean()


class MDCTGANCodec(AbsGANCodec):
    """Losses of the small codec: SNR, mel and quantiser losses, and adversarial losses if ``lambda_adv`` is not 0.

    Args:
        generator_params: arguments of :class:`MDCTCodecNet`.
        discriminator_params: arguments of ESPnet's ComplexSTFTDiscriminator.
        mel_loss_params: arguments of ESPnet's MultiScaleMelSpectrogramLoss.
        gain_range_db: range of the random level of each training clip, dB relative to full scale (RMS).
        lambda_snr_continuous, lambda_snr_quantized: weights of the SNR losses, per dB.
        lambda_mel_continuous, lambda_mel_quantized, lambda_quantizer, lambda_adv, lambda_feat_match: weights of the
            other losses.
    """

    def __init__(
        self,
        sampling_rate: int = 16000,
        generator_params: dict[str, Any] | None = None,
        discriminator_params: dict[str, Any] | None = None,
        mel_loss_params: dict[str, Any] | None = None,
        gain_range_db: tuple = (-38.0, -14.0),
        lambda_snr_continuous: float = 0.2,
        lambda_snr_quantized: float = 0.4,
        lambda_mel_continuous: float = 2.0,
        lambda_mel_quantized: float = 6.0,
        lambda_quantizer: float = 1.0,
        lambda_adv: float = 0.0,
        lambda_feat_match: float = 2.0,
    ):
        super().__init__()
        self.generator = MDCTCodecNet(sample_rate=sampling_rate, **(generator_params or {}))
        self.discriminator = ComplexSTFTDiscriminator(**(discriminator_params or {}))
        self.mel_loss = MultiScaleMelSpectrogramLoss(fs=sampling_rate, **(mel_loss_params or {}))
        self.generator_adv_loss = GeneratorAdversarialLoss(loss_type="mse")
        self.discriminator_adv_loss = DiscriminatorAdversarialLoss(loss_type="mse")
        self.feat_match_loss = FeatureMatchLoss(include_final_outputs=True)
        self.gain_range_db = tuple(gain_range_db)
        self.weights = {
            "snr_continuous": lambda_snr_continuous,
            "snr_quantized": lambda_snr_quantized,
            "mel_continuous": lambda_mel_continuous,
            "mel_quantized": lambda_mel_quantized,
            "quantizer": lambda_quantizer,
            "adv": lambda_adv,
            "feat_match": lambda_feat_match if lambda_adv else 0.0,
        }
        self.sampling_rate = sampling_rate

    def meta_info(self) -> dict[str, Any]:
        """Return the properties that ESPnet's codec inference needs."""
        config = self.generator.configuration
        return {
            "fs": self.sampling_rate,
            "num_streams": config["num_codebooks"],
            "frame_shift": self.generator.hop,
            "code_size_per_stream": [config["codebook_size"]] * config["num_codebooks"],
        }

    def forward(self, audio: torch.Tensor, forward_generator: bool = True, **kwargs) -> dict[str, Any]:
        """Return ESPnet's dictionary of loss, stats, weight and optimiser index for ``audio (batch, sample)``."""
        audio = self._at_random_level(audio[:, : audio.shape[1] // self.generator.hop * self.generator.hop])
        audio = audio.unsqueeze(1)
        losses = self._generator_losses(audio) if forward_generator else self._discriminator_losses(audio)
        prefix = "generator" if forward_generator else "discriminator"
        loss = losses.pop("loss")
        stats = {f"{prefix}_{name}": value.detach() for name, value in losses.items()}
        stats[f"{prefix}_loss"] = loss.detach()
        loss, stats, weight = force_gatherable((loss, stats, audio.shape[0]), loss.device)
        return {"loss": loss, "stats": stats, "weight": weight, "optim_idx": 0 if forward_generator else 1}

    def _at_random_level(self, audio: torch.Tensor) -> torch.Tensor:
        """Scale each clip to a random RMS, so that the quantiser sees all levels; silence stays silent."""
        low, high = self.gain_range_db
        level_db = torch.rand(len(audio), 1, device=audio.device) * (high - low) + low
        if not self.training:
            level_db = torch.full_like(level_db, (low + high) / 2)
        rms = audio.square().mean(1, keepdim=True).sqrt().clamp(min=1e-4)
        return (audio * 10 ** (level_db / 20) / rms).clamp(-1, 1)

    def _generator_losses(self, audio: torch.Tensor) -> dict[str, torch.Tensor]:
        continuous, quantized, quantizer_loss = self.generator(audio)
        losses = {
            "snr_continuous": snr_loss(continuous, audio),
            "snr_quantized": snr_loss(quantized, audio),
            "mel_continuous": self.mel_loss(continuous, audio),
            "mel_quantized": self.mel_loss(quantized, audio),
            "quantizer": quantizer_loss,
        }
        if self.weights["adv"]:
            fake = self.discriminator(quantized)
            with torch.no_grad():
                real = self.discriminator(audio)
            losses["adv"] = self.generator_adv_loss(fake)
            losses["feat_match"] = self.feat_match_loss(fake, real)
        losses["loss"] = sum(self.weights[name] * value for name, value in losses.items())
        return losses

    def _discriminator_losses(self, audio: torch.Tensor) -> dict[str, torch.Tensor]:
        if not self.weights["adv"]:
            # ESPnet's trainer runs the discriminator's turn anyway. It accepts a zero that requires a gradient.
            return {"loss": 0.0 * next(self.discriminator.parameters()).sum()}
        with torch.no_grad():
            _, quantized, _ = self.generator(audio)
        real, fake = self.discriminator_adv_loss(self.discriminator(quantized), self.discriminator(audio))
        return {"real": real, "fake": fake, "loss": real + fake}

    def encode(self, x: torch.Tensor, **kwargs) -> torch.Tensor:
        """Return ``codes (codebook, batch, frame)`` of ``(batch, 1, sample)``."""
        x = torch.nn.functional.pad(x, (0, -x.shape[-1] % self.generator.hop))
        return self.generator.quantizer.encode(self.generator.encoder(x).transpose(1, 2)).transpose(0, 1)

    def decode(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, 1, sample)`` of ``codes (codebook, batch, frame)``."""
        return self.generator.decoder(self.generator.quantizer.decode(x.transpose(0, 1)).transpose(1, 2))

    def inference(self, x: torch.Tensor, **kwargs) -> dict[str, torch.Tensor]:
        """Return codes and the waveform decoded from them, for ``x (sample,)``."""
        codes = self.encode(x.reshape(1, 1, -1))
        return {"wav": self.decode(codes)[..., : x.numel()], "codec": codes}


@torch.no_grad()
def initialise_from_speech(net: MDCTCodecNet, clips, seed: int = 0, max_frames: int = 100_000) -> dict[str, Any]:
    """Set the normalisation and fit the quantiser on ``clips``, an iterable of ``(sample,)`` tensors.

    Returns:
        ``{"num_frames": ..., "bands": first channel of the band of each stage}``.
    """
    generator = torch.Generator().manual_seed(seed)
    embedding = []
    for clip in clips:
        padded = torch.nn.functional.pad(clip, (0, -clip.numel() % net.hop))
        embedding.append(net.encoder(padded.reshape(1, 1, -1))[0].T)
    embedding = torch.cat(embedding)
    scale = embedding.std(0).clamp(min=1e-5)  # avoid a division by zero for digital silence in a band
    net.set_scale(scale * net.encoder.scale[:, 0])
    embedding = embedding / scale
    chosen = torch.randperm(len(embedding), generator=generator)[:max_frames]
    # Errors in strong channels are more audible, but are also masked by the signal. The square root is a compromise.
    weight = (scale / scale.mean()).sqrt()
    bands = net.quantizer.fit(embedding[chosen], weight, generator=generator)
    return {"num_frames": len(chosen), "bands": bands}

"""Diffusion in the latent space: training, and sampling of windows."""

from collections.abc import Sequence

import torch
from diffusers import DDIMScheduler
from espnet2.train.abs_espnet_model import AbsESPnetModel

from espnet_codecse.errors import UserError
from espnet_codecse.features import AbsFeatures, hash_of_weights, load_features
from espnet_codecse.fuse.abs_denoiser import AbsDenoiser
from espnet_codecse.fuse.average import WeightAverage
from espnet_codecse.fuse.sampling import sample, sampling_times, seeded_noise, window_noise
from espnet_codecse.fuse.spectrogram import CompressedSpectrogram
from espnet_codecse.fuse.vae import NoVAE, SpectrogramVAE
from espnet_codecse.host_value import HostValue
from espnet_codecse.length_mask import on_device
from espnet_codecse.level import peak_gain
from espnet_codecse.precision import autocast
from espnet_codecse.step_result import step_result


class FuseModel(AbsESPnetModel):
    """A frozen VAE, a denoiser, and the moving average of its weights, which validation and sampling use.

    Args:
        spectrogram: the front end.
        vae: VAE trained in the first step; ``--init_param`` provides its weights.
        denoiser: denoiser, including the projection of the guidance.
        scheduler: noise schedule and prediction type.
        window_frames: number of frames of a window of the spectrogram.
        features: source of the frozen features for the guidance; None: no guidance. They are not a sub-module, because
            their weights belong neither in checkpoints nor in the optimiser.
        average_decay: decay of the moving average of the weights.
        latents_fingerprint: fingerprint of the VAE that computed the stored latents; empty if no latents are stored.
        matched_steps: number of sampling steps whose times are used for training.
        matched_portion: fraction of training times, 0 to 1, that are drawn evenly from the times of ``matched_steps``;
            the others are uniform.

    Raises:
        UserError: a number is out of range.
    """

    TRAINING_ONLY = ("denoiser",)  # sampling uses the average

    def __init__(
        self,
        spectrogram: CompressedSpectrogram,
        vae: SpectrogramVAE | NoVAE,
        denoiser: AbsDenoiser,
        scheduler: DDIMScheduler,
        window_frames: int = 256,
        features: str | None = None,
        average_decay: float = 0.999,
        latents_fingerprint: str = "",
        matched_steps: int = 6,
        matched_portion: float = 0.0,
    ):
        super().__init__()
        if not 0 <= matched_portion <= 1:
            raise UserError(f"objective_conf.matched_portion {matched_portion:g}: give 0 to 1")
        self.matched_portion = matched_portion
        self.matched_times = sampling_times(scheduler, matched_steps, 1.0) if matched_portion else []
        self.latents_fingerprint = latents_fingerprint
        self._num_batches = HostValue()
        self.spectrogram, self.window_frames = spectrogram, window_frames
        self.vae = vae.requires_grad_(False).eval()
        self.denoiser = denoiser
        self.average = WeightAverage(denoiser, average_decay)
        self.scheduler = scheduler
        self.features_source = features

    def train(self, mode: bool = True) -> "FuseModel":
        """Set the mode; the VAE stays in evaluation mode."""
        super().train(mode)
        self.vae.eval()
        return self

    def features(self, device) -> AbsFeatures:
        """Return the source of the guidance's features on ``device``, loaded once per process."""
        assert self.features_source is not None
        return load_features(self.features_source, str(device))

    @property
    def window_samples(self) -> int:
        """Number of samples per window."""
        return self.spectrogram.num_samples(self.window_frames)

    def forward(
        self,
        speech_mix: torch.Tensor | None = None,
        speech_ref1: torch.Tensor | None = None,
        peak: torch.Tensor | None = None,
        latent_mix: torch.Tensor | None = None,
        latent_ref1: torch.Tensor | None = None,
        guidance: torch.Tensor | None = None,
        **kwargs: torch.Tensor,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """Return ``(loss, stats, batch size)``; windows are waveforms, or stored latents and features.

        Args:
            speech_mix, speech_ref1: noisy and clean speech, ``(batch, sample)``.
            peak: ``(batch, 1)``, peak of the noisy recordings that the windows were cut from.
            latent_mix, latent_ref1: ``(batch, latent frame, channel * bin)``, instead of the waveforms.
            guidance: ``(batch, feature frame, dim)``; if missing, the features are computed from ``speech_mix``.
            kwargs: lengths, which are all equal.

        Raises:
            UserError: the VAE is not trained, or the stored latents are from another VAE.
        """
        self._check_vae()
        given = speech_mix if latent_mix is None else latent_mix
        assert given is not None  # latents or waveforms
        with torch.no_grad(), autocast(given.device, None):  # as stored latents and features were computed
            if latent_mix is not None:
                noisy, clean = self.from_stored(latent_mix), self.from_stored(latent_ref1)
            else:
                assert speech_mix is not None and peak is not None  # latents or waveforms are given
                gain = peak_gain(peak)
                noisy, clean = (self.encode(speech * gain) for speech in (speech_mix, speech_ref1))
            if guidance is None and self.features_source is not None:
                assert speech_mix is not None  # the features are stored, or computed from it
                guidance = self.features(speech_mix.device).features(speech_mix)
        loss = self.loss(clean, noisy, guidance)
        stats = {"loss": loss.detach()}
        return step_result(loss, stats, len(clean))

    def _check_vae(self) -> None:
        """Raise an error if the VAE, whose weights are loaded after it was built, cannot be used for training."""
        if not self._num_batches.read(self.vae.num_batches):
            raise UserError("the VAE has random weights; train 1_vae first and pass --init_param <its checkpoint>")
        if self.latents_fingerprint:
            own = hash_of_weights(self.vae)
            if own != self.latents_fingerprint:
                raise UserError(
                    f"the stored latents are of a VAE with the fingerprint {self.latents_fingerprint}, but "
                    f"--init_param brought {own}; extract them again with its checkpoint"
                )
            self.latents_fingerprint = ""  # check only once, because the VAE is frozen

    def encode(self, speech: torch.Tensor) -> torch.Tensor:
        """Return the normalised latent ``(batch, channel, bin, frame)`` of ``speech (batch, sample)``."""
        return self.vae.encode(self.spectrogram(speech))

    def from_stored(self, stored: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, channel, bin, frame)`` of stored ``(batch, frame, channel * bin)``."""
        return stored.transpose(1, 2).unflatten(1, (self.vae.latent_channels, -1))

    def loss(self, clean: torch.Tensor, noisy: torch.Tensor, guidance: torch.Tensor | None) -> torch.Tensor:
        """Return the mean squared error of the denoiser's prediction.

        In evaluation mode, the average of the weights is used, with fixed times and noise.

        Args:
            clean, noisy: ``(batch, channel, bin, frame)``.
            guidance: ``(batch, feature frame, dim)``.
        """
        total = self.scheduler.config.num_train_timesteps
        kept = None
        if self.training:
            self.average.follow(self.denoiser)
            network = self.denoiser
            noise = torch.randn_like(clean)
            times = on_device(self._draw_times(len(clean)), clean.device)
            if network.guidance is not None:
                kept = network.guidance.draw_kept(len(clean), clean.device)
        else:
            network = self.average
            noise = seeded_noise(0, 0, clean.shape, clean.device)
            times = on_device(((torch.arange(len(clean)) + 0.5) / len(clean) * total).long(), clean.device)
        noised = self.scheduler.add_noise(clean, noise, times)
        prediction = network(noised, times, noisy, guidance, kept)
        return (prediction.float() - self._target(clean, noise, times)).square().mean()

    def _draw_times(self, batch: int) -> torch.Tensor:
        """Draw training times ``(batch,)``."""
        times = torch.randint(0, self.scheduler.config.num_train_timesteps, (batch,))
        if not self.matched_portion:
            return times
        matched = torch.tensor(self.matched_times)[torch.randint(0, len(self.matched_times), (batch,))]
        return torch.where(torch.rand(batch) < self.matched_portion, matched, times)

    def _target(self, clean: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        kind = self.scheduler.config.prediction_type
        if kind == "v_prediction":
            return self.scheduler.get_velocity(clean, noise, times)
        return clean if kind == "sample" else noise

    @torch.no_grad()
    def enhance(
        self,
        spectrogram: torch.Tensor,
        features: torch.Tensor | None,
        numbers: Sequence[int],
        num_steps: int = 6,
        num_samples: int = 1,
        guidance_scale: float = 1.0,
        seed: int = 0,
        start: float = 1.0,
        overlap_frames: int = 0,
    ) -> torch.Tensor:
        """Enhance windows.

        Args:
            spectrogram: noisy spectrogram ``(window, 2, bin, frame)`` at the network's level.
            features: features of the noisy windows, ``(window, feature frame, dim)``; None: no guidance.
            numbers: the number of each window in its recording, which selects its noise.
            num_steps: number of evaluations of the denoiser.
            num_samples: number of sampled results that are averaged.
            guidance_scale: 1: guidance as in training; 0: no guidance; larger values amplify it.
            seed: seed of the noise.
            start: 1: start from pure noise; less: start at this fraction of the diffusion, from the noised latent of
                the noisy speech.
            overlap_frames: frames of the spectrogram that neighbouring windows share.

        Returns:
            Enhanced spectrogram ``(window, 2, bin, frame)``.
        """
        noisy = self.vae.encode(spectrogram)

        def network(latent: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
            if features is None or guidance_scale == 1:
                return self.average(latent, times, noisy, features)
            nobody = torch.zeros(len(latent), dtype=torch.bool, device=latent.device)
            without = self.average(latent, times, noisy, features, nobody)
            if guidance_scale == 0:
                return without
            return without + guidance_scale * (self.average(latent, times, noisy, features) - without)

        total = torch.zeros_like(spectrogram)
        overlap = overlap_frames * noisy.shape[-1] // spectrogram.shape[-1]
        for draw in range(num_samples):
            noise = window_noise(seed + 7919 * draw, numbers, noisy.shape[1:], overlap, noisy.device)
            total += self.vae.decode(sample(self.scheduler, network, noise, noisy, num_steps, start))
        return total / num_samples

    def collect_feats(self, **kwargs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the tensors for ESPnet's statistics, which are not used."""
        return {"feats": next(iter(kwargs.values()))}

"""Build models from the dictionaries of a configuration."""

from collections.abc import Callable, Mapping
from typing import Any

from diffusers import DDIMScheduler

from espnet_codecse.errors import UserError
from espnet_codecse.features import configured_features
from espnet_codecse.fuse.conv_denoiser import ConvDenoiser
from espnet_codecse.fuse.denoiser import Denoiser
from espnet_codecse.fuse.model import FuseModel
from espnet_codecse.fuse.spectrogram import CompressedSpectrogram
from espnet_codecse.fuse.vae import NoVAE, SpectrogramVAE
from espnet_codecse.fuse.vae_model import FuseVAEModel

SAMPLE_RATE = 16000  # Hz
DIFFUSION = {
    # "trailing" spacing includes the last time. With few steps, "leading" would never see pure noise (2305.08891).
    "timestep_spacing": "trailing",
    # Latents have unit variance. With few steps, estimates beyond these bounds are errors that the next step would get.
    "clip_sample": True,
    "clip_sample_range": 6.0,
}


def _build(name: str, make: Callable, *positional: Any, **given: Any) -> Any:
    """Call ``make``; errors name the key of the configuration.

    Raises:
        UserError: the arguments are invalid.
    """
    try:
        return make(*positional, **given)
    except (TypeError, ValueError, KeyError, IndexError, RuntimeError, ZeroDivisionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{name}: {reason}; compare it with the template's conf/fuse") from None


def build_vae(vae_conf: Mapping[str, Any], use_vae: bool = True) -> SpectrogramVAE | NoVAE:
    """Return the VAE of ``vae_conf``, or :class:`NoVAE`."""
    return _build("vae_conf", SpectrogramVAE, **vae_conf) if use_vae else NoVAE()


def build_vae_model(
    spectrogram_conf: Mapping[str, Any], vae_conf: Mapping[str, Any], model_conf: Mapping[str, Any], window_frames: int
) -> FuseVAEModel:
    """Return the model of the first step."""
    spectrogram = _build("spectrogram_conf", CompressedSpectrogram, **spectrogram_conf)
    vae = build_vae(vae_conf)
    _check_size(spectrogram, window_frames, vae.reduction)
    return _build("model_conf", FuseVAEModel, spectrogram, vae, **model_conf)


def build_fuse_model(
    spectrogram_conf: Mapping[str, Any],
    vae_conf: Mapping[str, Any],
    denoiser_conf: Mapping[str, Any],
    diffusion_conf: Mapping[str, Any],
    guidance_conf: dict[str, Any],
    window_frames: int = 256,
    use_vae: bool = True,
    average_decay: float = 0.999,
    codec: str | None = None,
    latents_fingerprint: str = "",
    denoiser: str = "unet",
    objective_conf: Mapping[str, Any] | None = None,
) -> FuseModel:
    """Return the model of the second step.

    Args:
        spectrogram_conf: arguments of :class:`CompressedSpectrogram`.
        vae_conf: arguments of :class:`SpectrogramVAE`, as in the first step.
        denoiser_conf: arguments of the denoiser, except for those about the latent and the guidance.
        diffusion_conf: arguments of diffusers' ``DDIMScheduler``.
        guidance_conf: ``kind`` (none, beats, transformers, codec), ``model``, ``fingerprint``, and arguments of
            :class:`Guidance`. The fingerprint and the size of the features are added to it and saved with the
            experiment, to identify the features of the training.
        window_frames: number of frames of a window of the spectrogram.
        use_vae: run the diffusion on latents of the VAE; otherwise on the spectrogram itself.
        average_decay: decay of the moving average of the weights.
        codec: the codec, for guidance of kind ``codec``.
        latents_fingerprint: see :class:`FuseModel`.
        denoiser: ``unet`` for :class:`Denoiser`, ``convolutional`` for :class:`ConvDenoiser`.
        objective_conf: ``matched_steps`` and ``matched_portion`` of :class:`FuseModel`.

    Raises:
        UserError: a value is unknown or invalid, or the model of the features is not that of the training.
    """
    spectrogram = _build("spectrogram_conf", CompressedSpectrogram, **spectrogram_conf)
    vae = build_vae(vae_conf, use_vae)
    features, guidance = _guidance(guidance_conf, codec)
    bins = spectrogram.num_bins // vae.reduction
    latent: dict[str, Any] = {"latent_channels": vae.latent_channels, "latent_bins": bins}
    scheduler = _build("diffusion_conf", DDIMScheduler, **{**DIFFUSION, **diffusion_conf})
    if denoiser == "convolutional":
        if scheduler.config.prediction_type != "v_prediction":
            raise UserError("diffusion_conf.prediction_type: a convolutional denoiser predicts v_prediction")
        latent["alphas"] = scheduler.alphas_cumprod
    elif denoiser != "unet":
        raise UserError(f"denoiser '{denoiser}': unknown; known: unet, convolutional")
    kind = ConvDenoiser if denoiser == "convolutional" else Denoiser
    network = _build("denoiser_conf", kind, **latent, guidance=guidance, **denoiser_conf)
    _check_size(spectrogram, window_frames, vae.reduction * network.reduction)
    fixed = (spectrogram, vae, network, scheduler, window_frames, features, average_decay, latents_fingerprint)
    return _build("objective_conf", FuseModel, *fixed, **(objective_conf or {}))


def _guidance(conf: dict[str, Any], codec: str | None):
    """Return the source of the features and the arguments of :class:`Guidance`; both are None without guidance."""
    kind = conf.get("kind", "none")
    if kind == "none":
        return None, None
    source, features = configured_features(conf, codec)
    if features.sample_rate != SAMPLE_RATE:
        raise UserError(f"guidance_conf {source}: works at {features.sample_rate} Hz, this system at {SAMPLE_RATE}")
    size = {"dim": features.dim, "tokens_per_frame": features.tokens_per_frame}
    conf["hop"] = features.hop
    ours = {key: value for key, value in conf.items() if key not in ("kind", "model", "fingerprint", "hop")}
    return source, {"injection": "cross_attention", **ours, **size}


def _check_size(spectrogram: CompressedSpectrogram, window_frames: int, reduction: int) -> None:
    if window_frames % reduction or spectrogram.num_bins % reduction or window_frames < reduction:
        raise UserError(
            f"window_frames {window_frames}, {spectrogram.num_bins} bins: the networks halve them to a {reduction}th; "
            f"give multiples of {reduction}"
        )

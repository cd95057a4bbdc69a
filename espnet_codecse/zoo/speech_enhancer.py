"""The Python interface: enhance arrays, with the interface of ESPnet's ``SeparateSpeech``."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_codecse.audio import resample
from espnet_codecse.task.model_types import LAYERS
from espnet_codecse.zoo.find import ModelFiles, called, find_model
from espnet_codecse.zoo.load import build_enhancer

MAX_CHANNELS = 8  # a second axis of at most this length, shorter than the first one, is taken for channels


class SpeechEnhancer:
    """Enhance or separate recordings; can replace :class:`espnet2.bin.enh_inference.SeparateSpeech`.

    >>> enhancer = SpeechEnhancer.from_pretrained("nac_se")  # doctest: +SKIP
    >>> speech, = enhancer(noisy, fs=48000)  # doctest: +SKIP

    Args:
        train_config: the training's ``config.yaml``. ``espnet_model_zoo.downloader.ModelDownloader`` returns this and
            ``model_file`` for a pack.
        model_file: the weights.
        codec: folder of the model's codec, if it is not in the pack and has moved since training.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: data type of the separator: ``auto`` (bfloat16 if the device supports it), ``float32``, ``bfloat16``.
        layer: embeddings to decode: ``continuous`` or ``quantized``; None: the model's first layer, which is
            ``continuous`` if it has both.
        segment_seconds: longer recordings are split into overlapping segments of this length, so that the model's
            memory stays constant.
        ref_channel: channel to use of ``(batch, sample, channel)`` input.
        normalize_output_wav: scale every output to a peak of 0.9, as SeparateSpeech does.
        options: options of the model at inference, such as ``num_steps`` of a diffusion model.

    Raises:
        UserError: a file, option or device is unknown or refused, or the codec has a different fingerprint.
        ValueError: unknown layer.

    Attributes:
        num_spk: number of arrays that a call returns.
        sample_rate: sample rate of the model, Hz.
    """

    def __init__(
        self,
        train_config: Path | str,
        model_file: Path | str,
        codec: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        layer: str | None = None,
        segment_seconds: float = 30.0,
        ref_channel: int = 0,
        normalize_output_wav: bool = False,
        **options: Any,
    ):
        files = ModelFiles.of_training(train_config, model_file)
        self._load(files, codec, device, dtype, layer, segment_seconds, ref_channel, normalize_output_wav, **options)

    def _load(
        self,
        files: ModelFiles,
        codec: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        layer: str | None = None,
        segment_seconds: float = 30.0,
        ref_channel: int = 0,
        normalize_output_wav: bool = False,
        **options: Any,
    ) -> None:
        if layer not in (None, *LAYERS):
            raise ValueError(f"layer '{layer}' is none of {', '.join(LAYERS)}")
        self.enhancer = build_enhancer(files, codec, device, dtype, [layer or LAYERS[0]], segment_seconds, **options)
        self.layer: str = layer or self.enhancer.layers[0]
        if self.layer not in self.enhancer.layers:
            raise ValueError(f"layer '{layer}': this model decodes {', '.join(self.enhancer.layers)}")
        self.ref_channel, self.normalize_output_wav = ref_channel, normalize_output_wav
        self.num_spk: int = self.enhancer.num_spk
        self.sample_rate: int = self.enhancer.sample_rate

    @classmethod
    def from_pretrained(
        cls, model_tag: Path | str, codec: str | None = None, layer: str | None = None, **kwargs
    ) -> "SpeechEnhancer":
        """Load a model by name.

        Args:
            model_tag: a model of the package, a zip written by ``codecse pack``, its unpacked folder, an experiment
                folder, or a model-zoo tag / Hugging Face id, also ``id@revision``.
            codec: folder of the model's codec, if it is not in the pack and has moved since training.
            layer: see :class:`SpeechEnhancer`; default: the layer that the pack's author decodes.
            kwargs: further arguments of :class:`SpeechEnhancer`.

        Raises:
            UserError: the model does not exist or is refused.
        """
        files = find_model(str(model_tag))
        enhancer = cls.__new__(cls)
        with called(files, str(model_tag)):
            enhancer._load(files, codec=codec, layer=layer or files.layer, **kwargs)
        return enhancer

    def __call__(self, speech_mix: np.ndarray | torch.Tensor, fs: int | None = None, **kwargs) -> list[np.ndarray]:
        """Enhance a batch.

        Args:
            speech_mix: ``(batch, sample)`` or ``(batch, sample, channel)``, floating point in [-1, 1].
            fs: its sample rate, Hz; default: the model's. Other rates are resampled to the model's rate and back.
            kwargs: ignored, as in SeparateSpeech.

        Returns:
            For each speaker ``(batch, sample)`` float32, with the length and sample rate of the input.

        Raises:
            ValueError: the input has another shape, such as soundfile's (sample, channel), is integer, or is empty.
        """
        speech = speech_mix.detach().cpu().numpy() if isinstance(speech_mix, torch.Tensor) else np.asarray(speech_mix)
        if speech.ndim not in (2, 3) or not speech.size:
            raise ValueError(f"speech_mix has shape {speech.shape}; it must be (batch, sample): pass speech[None]")
        if speech.ndim == 2 and speech.shape[1] <= MAX_CHANNELS and speech.shape[1] < speech.shape[0]:
            raise ValueError(
                f"speech_mix has shape {speech.shape}, which looks like (sample, channel): pass x.T to enhance the "
                "channels as a batch, or x[None] for (batch, sample, channel), of which ref_channel is taken"
            )
        if not np.issubdtype(speech.dtype, np.floating):
            raise ValueError(f"speech_mix is {speech.dtype}; it must be floating point: divide int16 by 32768")
        if speech.ndim == 3:
            speech = speech[..., self.ref_channel]
        fs = self.sample_rate if fs is None else int(fs)
        # (batch, speaker, sample)
        outputs = np.stack([self._enhance(samples, fs) for samples in speech.astype(np.float32)])
        if self.normalize_output_wav:
            outputs *= 0.9 / np.maximum(np.abs(outputs).max(axis=-1, keepdims=True), 1e-8)
        return list(outputs.transpose(1, 0, 2))

    def _enhance(self, samples: np.ndarray, fs: int) -> np.ndarray:
        """Return ``(speaker, sample)`` at ``fs`` Hz for ``(sample,)``."""
        at_codec = resample(samples, fs, self.sample_rate)
        # A few samples at a high rate may become none at the codec's rate.
        at_codec = at_codec if len(at_codec) else np.zeros(1, np.float32)
        pieces = self.enhancer.enhance_long(lambda start, count: at_codec[start : start + count], len(at_codec))
        output = np.concatenate([piece[self.layer][: self.num_spk] for piece in pieces], axis=1)
        output = np.ascontiguousarray(resample(output.T, self.sample_rate, fs).T)[:, : len(samples)]
        return np.pad(output, ((0, 0), (0, len(samples) - output.shape[1])))

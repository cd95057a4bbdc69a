"""The Python interface: enhance or separate arrays and recordings; also that of ESPnet's ``SeparateSpeech``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from espnet_codecse.audio import resample, to_length
from espnet_codecse.high_band.filter import HighBandFilter
from espnet_codecse.high_band.load import has_filter, load_network
from espnet_codecse.task.model_types import LAYERS
from espnet_codecse.zoo.audio_input import Audio, as_channels, is_sample_by_channel
from espnet_codecse.zoo.find import ModelFiles, called, find_model
from espnet_codecse.zoo.load import build_enhancer


class SpeechEnhancer:
    """Enhance recordings of one talker; can replace :class:`espnet2.bin.enh_inference.SeparateSpeech`.

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
        full_band: keep what is above 8 kHz in audio at more than 16 kHz, filtered, if the model enhances one speaker at
            16 kHz.
        options: options of the model at inference, such as ``num_steps`` of a diffusion model.

    Raises:
        UserError: a file, option or device is unknown or refused, or the codec has a different fingerprint.
        ValueError: unknown layer.

    Attributes:
        num_spk: number of arrays that a call returns.
        sample_rate: sample rate of the model, Hz.

    Examples:
        >>> import numpy as np
        >>> noisy = 0.1 * np.random.default_rng(0).standard_normal((16000, 2))
        >>> enhancer = SpeechEnhancer.from_pretrained("nac_se")
        >>> enhancer.enhance(noisy, fs=16000).shape  # (sample, channel), as soundfile returns it
        (16000, 2)
        >>> enhancer.enhance([noisy[:, 0], noisy[:800, 1]], fs=16000)[1].shape  # a list of different lengths
        (800,)
        >>> speech, = enhancer(noisy.T, fs=16000)  # as SeparateSpeech: one array per speaker
        >>> speech.shape
        (2, 16000)
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
        full_band: bool = True,
        **options: Any,
    ):
        files = ModelFiles.of_training(train_config, model_file)
        self._load(
            files, codec, device, dtype, layer, segment_seconds, ref_channel, normalize_output_wav, full_band, **options
        )

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
        full_band: bool = True,
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
        self._full_band = full_band and has_filter(self.enhancer)

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
        if is_sample_by_channel(speech.shape):
            raise ValueError(
                f"speech_mix has shape {speech.shape}, which looks like (sample, channel): pass x.T to enhance the "
                "channels as a batch, or x[None] for (batch, sample, channel), of which ref_channel is taken; "
                "enhance(x) takes it as it is"
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

    def enhance(self, audio: Audio | Sequence[Audio], fs: int | None = None, progress: bool = False):
        """Enhance audio of any length and layout, and return it in the same layout.

        Args:
            audio: an array ``(sample,)``, ``(sample, channel)`` or ``(batch, sample)``, the path of a recording, or a
                list of these; :func:`espnet_codecse.zoo.audio_input.as_channels` says how they are told apart. Each
                channel is enhanced by itself.
            fs: sample rate of arrays, Hz; default: the model's. Recordings have their own.
            progress: show a bar on standard error.

        Returns:
            An array float32 with the shape and sample rate of the input; for a list, a list.

        Raises:
            UserError: a recording is not readable.
            ValueError: an array has another shape, is integer, empty, or not finite; or the model separates speakers.
        """
        if self.num_spk > 1:
            raise ValueError(f"the model separates {self.num_spk} speakers; use SpeechSeparator")
        if not isinstance(audio, (list, tuple)):
            return self._all_outputs([audio], fs, progress)[0][0]
        return [outputs[0] for outputs in self._all_outputs(audio, fs, progress)]

    def enhance_file(self, source: Path | str, target: Path | str, mono: bool = False, mix: float = 1.0) -> list[Path]:
        """Enhance a recording into a file, as ``codecse enhance`` does: any length, with its tags.

        Args:
            source: recording in any format that libsndfile reads.
            target: file to write; its suffix chooses the format (``wav``, ``flac``, ``ogg``, ``mp3``).
            mono: average the channels.
            mix: share of the enhanced signal in the output, 0 to 1; the rest is the input.

        Returns:
            The files that were written: ``target``, or one per speaker, ``<name>.spk1.<suffix>`` ....

        Raises:
            UserError: the recording is not readable, or the format cannot hold it.
        """
        from espnet_codecse.recording.one import enhance_recording

        return enhance_recording(self.enhancer, Path(source), Path(target), mono, mix, self._full_band)

    def _all_outputs(self, audios: Sequence[Audio], fs: int | None, progress: bool) -> list[list[np.ndarray]]:
        """Return one array per speaker for each item."""
        found = [as_channels(audio, fs, self.sample_rate) for audio in audios]
        results = []
        with tqdm(total=sum(len(item.samples) for item in found), disable=not progress, unit="channel") as bar:
            for item in found:
                channels = []
                for samples in item.samples:
                    channels.append(self._enhance(samples, item.fs))
                    bar.update()
                results.append([item.restore(outputs) for outputs in np.stack(channels, axis=1)])
        return results

    def _enhance(self, samples: np.ndarray, fs: int) -> np.ndarray:
        """Return ``(speaker, sample)`` at ``fs`` Hz for ``(sample,)``."""
        at_codec = resample(samples, fs, self.sample_rate)
        # A few samples at a high rate may become none at the codec's rate.
        at_codec = at_codec if len(at_codec) else np.zeros(1, np.float32)
        pieces = self.enhancer.enhance_long(lambda start, count: at_codec[start : start + count], len(at_codec))
        output = np.concatenate([piece[self.layer][: self.num_spk] for piece in pieces], axis=1)
        output = to_length(np.ascontiguousarray(resample(output.T, self.sample_rate, fs).T), len(samples))
        if self._full_band and fs > self.sample_rate:
            high_band = HighBandFilter(load_network(), fs, self.sample_rate, num_channels=1)
            output = high_band.push(output.T, samples[:, None], last=True)[0].T.astype(np.float32)
        return output


class SpeechSeparator(SpeechEnhancer):
    """Separate the speakers of recordings; see :class:`SpeechEnhancer` for the arguments."""

    def separate(
        self, audio: Audio | Sequence[Audio], fs: int | None = None, progress: bool = False
    ) -> list[np.ndarray] | list[list[np.ndarray]]:
        """Return one array per speaker, each in the layout of ``audio``; for a list, a list of these lists.

        See :meth:`SpeechEnhancer.enhance` for the arguments and errors; a model of one speaker gives one array.
        """
        if not isinstance(audio, (list, tuple)):
            return self._all_outputs([audio], fs, progress)[0]
        return self._all_outputs(audio, fs, progress)

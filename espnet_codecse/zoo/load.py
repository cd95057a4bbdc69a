"""Load a model by name, for ``codecse enhance`` and ``SpeechEnhancer``."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from espnet_codecse.building import building
from espnet_codecse.codec.resolve import check_named_codec
from espnet_codecse.errors import UserError
from espnet_codecse.features import PUBLISHED as PUBLISHED_FEATURES
from espnet_codecse.features import load_features
from espnet_codecse.inference.abs_enhancer import AbsEnhancer, RunSettings
from espnet_codecse.precision import DTYPES, dtype_on
from espnet_codecse.task.device import resolve_device
from espnet_codecse.task.model_types import codec_of, model_type_of
from espnet_codecse.zoo.find import ModelFiles, called, find_model
from espnet_codecse.zoo.hub import offline


def load_enhancer(
    model: str,
    codec: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    layers: Sequence[str] = ("continuous",),
    segment_seconds: float = 30.0,
    **options: Any,
) -> AbsEnhancer:
    """Load a trained model with its codec.

    Args:
        model: any argument of :func:`find_model`.
        codec: folder of the model's codec, if it is not in the pack and has moved since training.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, or ``cuda:1``.
        dtype: data type of the separator: ``float32``, ``bfloat16``, or ``auto`` (bfloat16 if the device supports it
            natively, else float32). The codec always runs in float32: rounding in its decoder is audible, and
            bfloat16 saves time mainly in the separator.
        layers: what a model on embeddings decodes: ``continuous``, ``quantized``, or both; other models have one
            output, ``waveform``.
        segment_seconds: longest segment that is processed at once.
        options: options of the system's enhancer, such as ``num_steps``.

    Raises:
        UserError: unknown model, option or device, or a codec with a different fingerprint.
    """
    files = find_model(model)
    with called(files, model):
        return build_enhancer(files, codec, device, dtype, layers, segment_seconds, **options)


def build_enhancer(
    files: ModelFiles,
    codec: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    layers: Sequence[str] = ("continuous",),
    segment_seconds: float = 30.0,
    **options: Any,
) -> AbsEnhancer:
    """Load the model of ``files``; see :func:`load_enhancer`."""
    from espnet_codecse.task.loading import load_trained_model

    device = resolve_device(device)
    if files.manifest is not None and not (codec or files.codec):
        check_named_codec(codec_of(files.configuration))
    if files.manifest is not None:
        _load_named_features(files.configuration, codec or files.codec)
    model, training = load_trained_model(
        files.train_config, files.model_file, device, codec or files.codec, files.configuration
    )
    enhancer = model_type_of(vars(training)).load("enhancer")
    run = RunSettings(device, resolve_dtype(dtype, device), segment_seconds, layers, options)
    return enhancer.from_model(model, training, run)


def _load_named_features(configuration: Mapping[str, Any], codec: str | None) -> None:
    """Load the features that a pack's configuration names, without a download unless they are published ones.

    They stay loaded, so that building the model does not ask for them again.

    Raises:
        UserError: they are neither published nor on this machine.
    """
    for key in ("teacher_conf", "guidance_conf"):
        conf = configuration.get(key)
        kind, name = (conf.get("kind", "codec"), conf.get("model")) if isinstance(conf, Mapping) else ("none", None)
        if kind == "codec" and codec is None:
            check_named_codec(configuration.get("codec"))
        if kind != "transformers" or not name or name in PUBLISHED_FEATURES:
            continue
        try:
            with offline(), building("features", "download them again"):
                load_features(f"{kind}:{name}")
        except UserError as error:
            raise UserError(
                f"{error}; the pack only names them: download them first with 'hf download {str(name)[:80]}', or use a "
                "local folder"
            ) from None


def resolve_dtype(dtype: str, device: str) -> torch.dtype:
    """Return the data type of the separator on ``device``.

    Raises:
        UserError: unknown data type.
    """
    if dtype not in DTYPES:
        raise UserError(f"--dtype {dtype}: must be one of {', '.join(DTYPES)}")
    return dtype_on(device, dtype)

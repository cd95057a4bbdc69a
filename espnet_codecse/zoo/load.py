"""Load a model by name, for ``codecse enhance`` and ``SpeechEnhancer``."""

from collections.abc import Sequence
from typing import Any

import torch

from espnet_codecse.codec.resolve import PUBLISHED, codec_files
from espnet_codecse.errors import UserError
from espnet_codecse.inference.abs_enhancer import AbsEnhancer, RunSettings
from espnet_codecse.precision import has_native_bfloat16
from espnet_codecse.task.device import resolve_device
from espnet_codecse.task.model_types import codec_of, model_type_of
from espnet_codecse.zoo.find import ModelFiles, called, find_model

DTYPES = ("auto", "float32", "bfloat16")


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
        _check_codec_name(codec_of(files.configuration))
    model, training = load_trained_model(
        files.train_config, files.model_file, device, codec or files.codec, files.configuration
    )
    enhancer = model_type_of(vars(training)).load("enhancer")
    run = RunSettings(device, resolve_dtype(dtype, device), segment_seconds, layers, options)
    return enhancer.from_model(model, training, run)


def _check_codec_name(name: Any) -> None:
    """Refuse a codec that a pack names unless it is here or published: a pack must not start arbitrary downloads.

    Raises:
        UserError: the codec is neither.
    """
    if name is not None and not (isinstance(name, str) and (name in PUBLISHED or codec_files(name))):
        shown = str(name)[:80]
        raise UserError(f"--codec {shown}: no such folder or published codec; the pack only names it: pass its folder")


def resolve_dtype(dtype: str, device: str) -> torch.dtype:
    """Return the data type of the separator on ``device``.

    Raises:
        UserError: unknown data type.
    """
    if dtype not in DTYPES:
        raise UserError(f"--dtype {dtype}: must be one of {', '.join(DTYPES)}")
    if dtype == "auto":
        dtype = "bfloat16" if has_native_bfloat16(device) else "float32"
    return getattr(torch, dtype)

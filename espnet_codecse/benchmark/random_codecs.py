"""Published codecs with random weights, which do not change their cost, for machines that cannot download them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def _dac_16khz() -> Any:
    from transformers import DacConfig, DacModel

    config = DacConfig(
        encoder_hidden_size=64,
        downsampling_ratios=[2, 4, 5, 8],
        decoder_hidden_size=1536,
        upsampling_ratios=[8, 5, 4, 2],
        n_codebooks=12,
        codebook_size=1024,
        codebook_dim=8,
        sampling_rate=16000,
    )
    return DacModel(config)


def _encodec_24khz() -> Any:
    from transformers import EncodecConfig, EncodecModel

    return EncodecModel(EncodecConfig())  # the library's defaults are those of the published model


BUILDERS: dict[str, Callable[[], Any]] = {"dac_16khz": _dac_16khz, "encodec_24khz": _encodec_24khz}


def save_random_codec(name: str, folder: Path) -> Path:
    """Write a codec of :data:`BUILDERS` to ``folder/name``, and return this folder."""
    import torch

    torch.manual_seed(0)
    BUILDERS[name]().save_pretrained(folder / name)
    return folder / name

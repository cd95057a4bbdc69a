"""The small codec as a codec class, and its folder on disk: ``config.yaml`` and ``model.safetensors``."""

import math
from pathlib import Path
from typing import Any

import torch

from espnet_codecse.checkpoint import check_weights
from espnet_codecse.codec.chunking import Segment, reach_in_samples
from espnet_codecse.codec.conv_codec import ConvCodec, fingerprint_of
from espnet_codecse.codec.mdct.model import LowBandDecoder, MDCTCodecNet
from espnet_codecse.documents import read_yaml
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path, sha256_of

CONFIG_FILE, WEIGHTS_FILE, FORMAT = "config.yaml", "model.safetensors", "codecse_hybrid_codec_1"


class MDCTCodec(ConvCodec):
    """The codec :class:`MDCTCodecNet`, loaded from a folder that :func:`save_mdct_codec` wrote.

    Raises:
        UserError: the folder is incomplete or has another format, or its weights do not match its configuration.
    """

    activation = "snake"

    def __init__(self, folder: Path, name: str):
        super().__init__()
        net, config = _load_net(Path(folder))
        self.name, self.dim, self.hop = name, config["num_channels"], net.hop
        self.sample_rate = config["sample_rate"]
        self.fingerprint = fingerprint_of(config, net.state_dict())
        self.net = net
        self.codebook_size = config["codebook_size"]
        self.dequantize_context = math.ceil(reach_in_samples([net.quantizer.refiner], 1))  # the unit here is a frame
        self._freeze([net.encoder], [net.decoder])
        self._low_decoder: list[Segment] = [(False, [LowBandDecoder(net.decoder)])]

    def _decoder_up_to(self, bandwidth: int | None) -> list[Segment]:
        transformed = self.dim * self.sample_rate / (2 * self.hop)  # Hz
        return self._decoder if bandwidth is None or bandwidth > transformed else self._low_decoder

    def _quantize(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes = self.net.quantizer.encode(embedding.transpose(1, 2))
        return self._dequantize(codes), codes

    def _dequantize(self, codes: torch.Tensor) -> torch.Tensor:
        return self.net.quantizer.decode(codes).transpose(1, 2)


def _load_net(folder: Path) -> tuple[MDCTCodecNet, dict]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    for file in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / file).is_file():
            raise UserError(f"{folder / file}: missing; a small codec's folder holds {CONFIG_FILE} and {WEIGHTS_FILE}")
    document = read_yaml(folder / CONFIG_FILE, "not the configuration of a small codec")
    if document.get("format") != FORMAT:
        shown = str(document.get("format"))[:40]
        raise UserError(f"{folder / CONFIG_FILE}: format is '{shown}', not '{FORMAT}'; wrong folder?")
    _check_model(document.get("model"), folder / CONFIG_FILE)
    net = MDCTCodecNet(**document["model"])
    try:
        weights = load_file(folder / WEIGHTS_FILE)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{folder / WEIGHTS_FILE}: not readable ({error}); copy it again") from None
    check_weights(net, weights, folder / WEIGHTS_FILE, CONFIG_FILE)
    # Folders written by earlier versions have no hash.
    if document.get("sha256") not in (None, sha256_of(folder / WEIGHTS_FILE)):
        raise UserError(f"{folder / WEIGHTS_FILE}: damaged on disk (SHA-256 differs from {CONFIG_FILE}); copy it again")
    net.load_state_dict(weights)
    return net, document["model"]


# Upper limits of a configuration, far above those of any codec. They are needed because building the network computes
# the transform.
_LARGEST = {
    "sample_rate": 384_000, "num_channels": 1024, "num_refiners": 64, "num_codebooks": 256, "codebook_size": 65_536,
    "codebook_dim": 1024,
}  # fmt: skip
_LARGEST_HOP, _LARGEST_WIDTH = 4096, 4096


def _check_model(model: Any, file: Path) -> None:
    """Check the values of a configuration before the network is built.

    Raises:
        UserError: a value is missing, has the wrong type, or is out of range.
    """
    wrong = not isinstance(model, dict) or model.keys() != {*_LARGEST, "widths", "strides", "power"}
    if not wrong:
        counts = {**model, "num_refiners": model["num_refiners"] or 1}  # none is allowed
        wrong = any(not _is_count(counts[name], largest) for name, largest in _LARGEST.items())
        for name, largest in (("widths", _LARGEST_WIDTH), ("strides", _LARGEST_HOP)):
            wrong = wrong or not isinstance(model[name], list) or (name == "strides" and not model[name])
            wrong = wrong or any(not _is_count(value, largest) for value in model[name])
    wrong = wrong or math.prod(model["strides"]) > _LARGEST_HOP
    if wrong or type(model["power"]) not in (int, float) or not 0 < model["power"] <= 1:
        raise UserError(f"{file}: 'model' has values that are missing or out of range; copy it again")


def _is_count(value: Any, largest: int) -> bool:
    return type(value) is int and 0 < value <= largest


def save_mdct_codec(net: MDCTCodecNet, folder: Path) -> None:
    """Write a folder that :class:`MDCTCodec` can load."""
    import yaml
    from safetensors.torch import save_file

    with atomic_path(Path(folder) / WEIGHTS_FILE) as temporary:
        save_file({key: value.contiguous() for key, value in net.state_dict().items()}, temporary)
    digest = sha256_of(Path(folder) / WEIGHTS_FILE)
    with atomic_path(Path(folder) / CONFIG_FILE) as temporary:
        document = {"format": FORMAT, "model": net.configuration, "sha256": digest}
        temporary.write_text(yaml.safe_dump(document, sort_keys=False))

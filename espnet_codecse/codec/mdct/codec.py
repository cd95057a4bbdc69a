"""The small codec behind the contract, and its folder on disk: ``config.yaml`` and ``model.safetensors``."""

import math
from pathlib import Path

import torch

from espnet_codecse.checkpoint import check_weights
from espnet_codecse.codec.chunking import Segment, reach_in_samples
from espnet_codecse.codec.conv_codec import ConvCodec, fingerprint_of
from espnet_codecse.codec.mdct.model import LowBandDecoder, MDCTCodecNet
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path

CONFIG_FILE, WEIGHTS_FILE, FORMAT = "config.yaml", "model.safetensors", "codecse_hybrid_codec_1"


class MDCTCodec(ConvCodec):
    """See :class:`MDCTCodecNet`; reads the folder that :func:`save_mdct_codec` wrote.

    Raises:
        UserError: the folder is incomplete, of another format, or its weights do not fit its configuration.
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
        self.dequantize_context = math.ceil(reach_in_samples([net.quantizer.refiner], 1))  # units are frames here
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
    import yaml
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    for file in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / file).is_file():
            raise UserError(f"{folder / file}: missing; a small codec's folder holds {CONFIG_FILE} and {WEIGHTS_FILE}")
    document = yaml.safe_load((folder / CONFIG_FILE).read_text())
    if document.get("format") != FORMAT:
        raise UserError(f"{folder / CONFIG_FILE}: format is '{document.get('format')}', not '{FORMAT}'; wrong folder?")
    net = MDCTCodecNet(**document["model"])
    try:
        weights = load_file(folder / WEIGHTS_FILE)
    except SafetensorError as error:
        raise UserError(f"{folder / WEIGHTS_FILE}: not readable ({error}); copy it again") from None
    check_weights(net, weights, folder / WEIGHTS_FILE, CONFIG_FILE)
    net.load_state_dict(weights)
    return net, document["model"]


def save_mdct_codec(net: MDCTCodecNet, folder: Path) -> None:
    """Write the folder that :class:`MDCTCodec` reads."""
    import yaml
    from safetensors.torch import save_file

    with atomic_path(Path(folder) / WEIGHTS_FILE) as temporary:
        save_file({key: value.contiguous() for key, value in net.state_dict().items()}, temporary)
    with atomic_path(Path(folder) / CONFIG_FILE) as temporary:
        temporary.write_text(yaml.safe_dump({"format": FORMAT, "model": net.configuration}, sort_keys=False))

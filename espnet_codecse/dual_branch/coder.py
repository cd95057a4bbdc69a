"""Trainable encoder, quantiser and decoder of a codec, copied from a trained codec or randomly initialised."""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from espnet_codecse.codec import AbsCodec, load_codec
from espnet_codecse.codec.chunking import reach_in_samples
from espnet_codecse.codec.lyra.codec import LyraCodec
from espnet_codecse.codec.lyra.layers import CausalConv
from espnet_codecse.codec.lyra.layout import Layout, build, describe
from espnet_codecse.codec.lyra.quantizer import NearestQuantizer
from espnet_codecse.codec.mdct.codec import MDCTCodec
from espnet_codecse.errors import UserError

KINDS = ("mdct", "dac", "lyra")


class Coder(torch.nn.Module):
    """Encoder and decoder of a codec, and their properties.

    Args:
        kind: ``mdct`` (the small codec), ``dac`` or ``lyra``.
        encoder, decoder: networks that map ``(batch, 1, sample)`` to ``(batch, channel, frame)`` and back.

    Attributes:
        sample_rate: Hz.
        hop: samples per frame.
        dim: number of channels of the embedding.
        reach: number of frames on each side that encoder and decoder together depend on.
    """

    def __init__(
        self, kind: str, sample_rate: int, hop: int, dim: int, encoder: torch.nn.Module, decoder: torch.nn.Module
    ):
        super().__init__()
        self.kind, self.sample_rate, self.hop, self.dim = kind, sample_rate, hop, dim
        self.encoder, self.decoder = encoder, decoder
        encoder_reach = reach_in_samples(_layers(encoder), 1)
        self.reach = math.ceil((encoder_reach + reach_in_samples(_layers(decoder), hop)) / hop) + 2

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of a signal; every sample belongs to a frame."""
        return -(-int(num_samples) // self.hop)

    def encode(self, speech: torch.Tensor, num_frames: int) -> torch.Tensor:
        """Return ``(batch, frame, channel)`` of ``speech (batch, sample)``, which is assumed to continue in silence."""
        speech = torch.nn.functional.pad(speech, (0, (num_frames + 1) * self.hop - speech.shape[1]))
        return self.encoder(speech.unsqueeze(1))[..., :num_frames].transpose(1, 2)

    def decode(self, embedding: torch.Tensor, num_samples: int) -> torch.Tensor:
        """Return ``(batch, sample)`` of ``embedding (batch, frame, channel)``; frames after its end are zero."""
        missing = self.num_frames(num_samples) + 1 - embedding.shape[1]  # DAC's decoder returns 8 samples too few
        embedding = torch.nn.functional.pad(embedding, (0, 0, 0, max(0, missing)))
        return self.decoder(embedding.transpose(1, 2))[:, 0, :num_samples]


def _layers(coder: torch.nn.Module):
    """Return the layers of an encoder or decoder in the order of execution."""
    if hasattr(coder, "reach"):
        return [coder]
    ordered = []
    for child in coder.children():
        ordered += list(child) if isinstance(child, torch.nn.ModuleList) else [child]
    return ordered


def coder_description(codec: str) -> dict[str, Any]:
    """Return ``{"kind": ..., ...}``, from which :func:`build_coder` builds networks with the layout of ``codec``.

    Raises:
        UserError: the codec does not exist, or is none of the small codec, a DAC and Lyra V2.
    """
    return _describe(_load(codec))


def rate_and_hop(description: Mapping[str, Any]) -> tuple[int, int]:
    """Return sample rate (Hz) and samples per frame of a layout of :func:`coder_description`."""
    if description.get("kind") == "lyra":
        strides = [entry["stride"] for entry in description["encoder"] if "stride" in entry]
        return description["sample_rate"], math.prod(strides)
    if description.get("kind") == "mdct":
        return description["sample_rate"], math.prod(description["strides"])
    return description["sampling_rate"], math.prod(description["downsampling_ratios"])


def build_coder(description: Mapping[str, Any], codec: str | None = None) -> tuple[Coder, torch.nn.Module]:
    """Return encoder and decoder, and a quantiser to copy for each branch.

    Args:
        description: ``kind``, and the arguments of :class:`espnet_codecse.codec.mdct.model.MDCTCodecNet`, of
            transformers' ``DacConfig`` or of :class:`LyraNet`.
        codec: codec with this layout whose weights are copied; None: random weights.

    Raises:
        UserError: the kind is unknown, the arguments are invalid, or the codec has a different layout.
    """
    arguments = {key: value for key, value in description.items() if key != "kind"}
    kind = description.get("kind")
    if kind not in KINDS:
        raise UserError(f"coder_conf kind: '{kind}' is unknown; known: {', '.join(KINDS)}")
    try:
        builders: dict[str, Callable[..., Any]] = {"mdct": _mdct, "dac": _dac, "lyra": LyraNet}
        network = builders[str(kind)](**arguments)
        rate, hop = rate_and_hop(description)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"coder_conf: builds no {kind} network ({error}); compare it with a config.yaml") from None
    if codec is not None:
        source = _load(codec)
        if _describe(source) != dict(description):
            raise UserError(f"--codec {codec}: of another layout than coder_conf; leave coder_conf out")
        # Copy the codec, because the loaded one is shared and frozen, and its weight norms may be folded.
        network.load_state_dict(copy.deepcopy(_network(source).state_dict()))
    if kind == "mdct":
        dim = network.configuration["num_channels"]
    else:
        dim = network.dim if kind == "lyra" else network.config.hidden_size
    return Coder(kind, rate, hop, dim, network.encoder, network.decoder), network.quantizer


class LyraNet(torch.nn.Module):
    """Encoder, decoder and quantiser of Lyra V2, with random weights.

    Args:
        encoder, decoder: see :func:`espnet_codecse.codec.lyra.layout.build`.
        num_codebooks, codebook_size: sizes of the quantiser.
        sample_rate: Hz.
    """

    def __init__(self, encoder: Layout, decoder: Layout, num_codebooks: int, codebook_size: int, sample_rate: int):
        super().__init__()
        self.encoder, self.decoder = build(encoder), build(decoder)
        widths = [layer.convolution.out_channels for layer in self.encoder if isinstance(layer, CausalConv)]
        if not widths:
            raise ValueError("an encoder without convolutions")
        self.dim = widths[-1]
        self.quantizer = NearestQuantizer(torch.randn(num_codebooks, codebook_size, self.dim))


def _load(codec: str) -> AbsCodec:
    loaded = load_codec(codec)
    if not isinstance(loaded, (MDCTCodec, LyraCodec)) and type(getattr(loaded, "model", None)).__name__ != "DacModel":
        raise UserError(
            f"--codec {codec}: dual_branch trains encoder and decoder of the small codec, of a DAC or of Lyra V2"
        )
    return loaded


def _network(codec: Any) -> torch.nn.Module:
    if isinstance(codec, LyraCodec):
        return codec
    return codec.net if isinstance(codec, MDCTCodec) else codec.model


def _describe(codec: Any) -> dict[str, Any]:
    if isinstance(codec, LyraCodec):
        return {
            "kind": "lyra",
            "encoder": describe(codec.encoder),
            "decoder": describe(codec.decoder),
            "num_codebooks": codec.num_codebooks,
            "codebook_size": codec.codebook_size,
            "sample_rate": codec.sample_rate,
        }
    if isinstance(codec, MDCTCodec):
        return {"kind": "mdct", **codec.net.configuration}
    config = codec.model.config
    names = (
        "encoder_hidden_size",
        "downsampling_ratios",
        "decoder_hidden_size",
        "n_codebooks",
        "codebook_size",
        "codebook_dim",
        "quantizer_dropout",
        "sampling_rate",
    )
    values = {name: getattr(config, name) for name in names}
    return {"kind": "dac", **{key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}}


def _mdct(**arguments: Any) -> torch.nn.Module:
    from espnet_codecse.codec.mdct.model import MDCTCodecNet

    return MDCTCodecNet(**arguments)


def _dac(**arguments: Any) -> torch.nn.Module:
    from transformers import DacConfig, DacModel

    return DacModel(DacConfig(**arguments))

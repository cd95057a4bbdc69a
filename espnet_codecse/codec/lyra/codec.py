"""Lyra V2 as a codec (SoundStream family; google/lyra, Apache-2.0): causal, 16 kHz, 64 channels at 50 Hz.

Some of its layers have 8-bit weights and activations. Here, the weights are dequantised, and everything is computed in
float32. The only difference from Google's runtime is that activations are not rounded, so that they have a gradient.
"""

import math
from pathlib import Path

import torch

from espnet_codecse.codec.chunking import reach_in_samples
from espnet_codecse.codec.conv_codec import ConvCodec, fingerprint_of
from espnet_codecse.codec.lyra.layers import CausalConv, CausalUpsample
from espnet_codecse.codec.lyra.network import read_codebooks, read_coder
from espnet_codecse.codec.lyra.quantizer import NearestQuantizer
from espnet_codecse.codec.lyra.streaming import CausalChain
from espnet_codecse.codec.lyra.tflite_file import TfliteFile
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import sha256_of

ENCODER, QUANTIZER, DECODER = FILES = ("soundstream_encoder.tflite", "quantizer.tflite", "lyragan.tflite")
SAMPLE_RATE = 16000  # Hz; the files do not contain it
MAX_REACH = 10 * SAMPLE_RATE  # samples; the reach of the published codec is half a second


class LyraCodec(ConvCodec):
    """Lyra V2 from a folder with its three files, which the lyra project provides in ``lyra/model_coeffs``.

    Args:
        folder: folder with :data:`FILES`.
        name: value of ``--codec``.

    Raises:
        UserError: a file is missing, damaged or from another codec, or the package ``tflite`` is not installed.
    """

    activation = "leaky_relu"

    def __init__(self, folder: Path, name: str):
        super().__init__()
        for file in FILES:
            if not (folder / file).is_file():
                raise UserError(f"{folder / file}: missing; a folder of Lyra V2 holds {', '.join(FILES)}")
        encoder, decoder = (read_coder(TfliteFile(folder / file).graph("main")) for file in (ENCODER, DECODER))
        self.encoder, self.decoder = torch.nn.ModuleList(encoder), torch.nn.ModuleList(decoder)
        codebooks = read_codebooks(TfliteFile(folder / QUANTIZER).graph("encode"))
        self.quantizer = NearestQuantizer(codebooks)
        self.codebook_size, self.dim = codebooks.shape[1:]
        self.name, self.sample_rate = name, SAMPLE_RATE
        self.hop = math.prod(layer.stride for layer in encoder if isinstance(layer, CausalConv))
        back = math.prod(layer.stride for layer in decoder if isinstance(layer, CausalUpsample))
        if not _channels(encoder) == _channels(decoder)[::-1] == (1, self.dim) or back != self.hop:
            raise UserError(f"{folder}: encoder, quantiser and decoder do not fit together; fetch them again")
        reach = max(reach_in_samples(encoder, 1), reach_in_samples(decoder, self.hop))
        if max(reach, self.hop) > MAX_REACH:
            raise UserError(f"{folder}: a frame depends on {reach:.0f} samples, the limit is {MAX_REACH}; refused")
        self.fingerprint = fingerprint_of({file: sha256_of(folder / file) for file in FILES}, {})
        self._freeze(encoder, decoder)

    def streaming_coders(self) -> tuple[CausalChain, CausalChain]:
        """See :meth:`AbsCodec.streaming_coders`."""
        encoder, decoder = (
            CausalChain(layer for _, segment in segments for layer in segment)
            for segments in (self._encoder, self._decoder)
        )
        return encoder, decoder

    def _quantize(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes = self.quantizer.encode(embedding.transpose(1, 2))
        return self._dequantize(codes), codes

    def _dequantize(self, codes: torch.Tensor) -> torch.Tensor:
        return self.quantizer.decode(codes).transpose(1, 2)


def _channels(layers: list[torch.nn.Module]) -> tuple[int, int]:
    """Return the numbers of input channels of the first convolution and of output channels of the last one."""
    convolutions = [layer.convolution for layer in layers if isinstance(layer, (CausalConv, CausalUpsample))]
    return (convolutions[0].in_channels, convolutions[-1].out_channels) if convolutions else (0, 0)

"""The encoders of the package by their names in configurations."""

from espnet_codecse.enh.encoder.codec_encoder import CodecEncoder
from espnet_codecse.enh.encoder.denoising_encoder import DenoisingEncoder

ENCODERS: dict[str, type[CodecEncoder]] = {"codec": CodecEncoder, "denoising_codec": DenoisingEncoder}

"""Frozen neural audio codecs behind one contract; the only place with chunked encoding and decoding."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from espnet_codecse.codec.abs_codec import AbsCodec
    from espnet_codecse.codec.resolve import codec_label, load_codec

__all__ = ["AbsCodec", "codec_label", "load_codec"]


def __getattr__(name: str):
    # torch is imported with the first codec, not with the package, so that commands without a codec start immediately.
    if name == "AbsCodec":
        from espnet_codecse.codec.abs_codec import AbsCodec

        return AbsCodec
    if name in __all__:
        from espnet_codecse.codec import resolve

        return getattr(resolve, name)
    raise AttributeError(name)

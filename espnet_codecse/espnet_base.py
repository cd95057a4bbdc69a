"""What of ESPnet the networks themselves need: base classes of its slots, and classes that moved between releases.

The slots' base classes hold no code that runs: they are the contract by which ESPnet's tasks accept a class. Where
ESPnet is not installed, abstract classes of the same methods stand in, so that a trained model runs without it.
"""

from abc import ABC, abstractmethod

import torch

try:
    from espnet2.enh.decoder.abs_decoder import AbsDecoder
    from espnet2.enh.encoder.abs_encoder import AbsEncoder
    from espnet2.enh.separator.abs_separator import AbsSeparator
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "espnet2":
        raise  # ESPnet is there, and something that it needs is not

    class AbsEncoder(torch.nn.Module, ABC):  # type: ignore[no-redef]
        """Waveforms to features; ``espnet2.enh.encoder.abs_encoder.AbsEncoder``."""

        @abstractmethod
        def forward(self, input, ilens, fs=None):
            """Return ``(features, lengths)`` of ``(batch, sample)``."""

        @property
        @abstractmethod
        def output_dim(self) -> int:
            """Number of channels of a frame."""

    class AbsDecoder(torch.nn.Module, ABC):  # type: ignore[no-redef]
        """Features to waveforms; ``espnet2.enh.decoder.abs_decoder.AbsDecoder``."""

        @abstractmethod
        def forward(self, input, ilens, fs=None):
            """Return ``(speech, lengths)`` of ``(batch, frame, channel)``."""

    class AbsSeparator(torch.nn.Module, ABC):  # type: ignore[no-redef]
        """Features of a mixture to those of its sources; ``espnet2.enh.separator.abs_separator.AbsSeparator``."""

        @abstractmethod
        def forward(self, input, ilens, additional=None):
            """Return ``(list of estimates, lengths, others)`` of ``(batch, frame, channel)``."""

        @property
        @abstractmethod
        def num_spk(self) -> int:
            """Number of estimates."""


# Fixed convolutions of BEATs by which ESPnet 202611 shortens masks; they are no weights, and in no checkpoint.
BEATS_CONSTANTS = ("patch_embedding_pad.", "raw2fbank_pad.")


def beats_encoder():
    """Return ESPnet's BEATs encoder class: in ``espnet2.beats`` since 202611, with the ASR encoders before."""
    try:
        from espnet2.beats.encoder import BeatsEncoder
    except ModuleNotFoundError:
        from espnet2.asr.encoder.beats_encoder import BeatsEncoder
    return BeatsEncoder


__all__ = ["BEATS_CONSTANTS", "AbsDecoder", "AbsEncoder", "AbsSeparator", "beats_encoder"]

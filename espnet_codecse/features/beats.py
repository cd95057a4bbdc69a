"""BEATs (2212.09058) from an official checkpoint, through ESPnet's encoder."""

from pathlib import Path

import torch

from espnet_codecse.checkpoint import load_checkpoint
from espnet_codecse.errors import UserError
from espnet_codecse.espnet_base import BEATS_CONSTANTS, beats_encoder
from espnet_codecse.features.abs_features import AbsFeatures, hash_of_weights

FBANK_SHIFT = 160  # samples
FBANK_LENGTH = 400
NUM_MELS = 128
LEAST_SAMPLES = 3200  # ESPnet's encoder repeats (202511) or pads (202611) shorter signals


class BeatsFeatures(AbsFeatures):
    """Output of the last layer of a frozen BEATs model.

    A frame is one column of patches: it spans 16 filter-bank frames and has one token per patch along frequency.

    Args:
        name: checkpoint file with ``cfg`` and ``model``. Only tensors are loaded from it, never code.

    Raises:
        UserError: the file is missing, or is not a BEATs checkpoint.
    """

    def __init__(self, name: str):
        super().__init__()
        content = load_checkpoint(Path(name))
        if not (isinstance(content, dict) and {"cfg", "model"} <= content.keys()):
            raise UserError(f"{name}: no BEATs checkpoint (no 'cfg' and 'model'); download BEATs_iter3_plus_AS2M.pt")
        try:
            self.network = beats_encoder()(input_size=1, beats_config=dict(content["cfg"]))
            found = self.network.load_state_dict(content["model"], strict=False)
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{name}: no BEATs checkpoint ({' '.join(str(error).split())[:200]})") from None
        # A fine-tuned checkpoint also has a classifier, which is not used.
        missing = [key for key in found.missing_keys if not key.startswith(BEATS_CONSTANTS)]
        if missing:
            raise UserError(f"{name}: lacks {', '.join(missing[:4])}; is the file complete?")
        self.name = name
        patch = self.network.input_patch_size
        self.hop, self.tokens_per_frame = patch * FBANK_SHIFT, NUM_MELS // patch
        self.dim = self.tokens_per_frame * self.network.output_size()
        self.fingerprint = hash_of_weights(self.network, BEATS_CONSTANTS)

    def num_frames(self, num_samples: int) -> int:
        """See the base class."""
        num_samples = max(num_samples, LEAST_SAMPLES)
        return max(1, (1 + (num_samples - FBANK_LENGTH) // FBANK_SHIFT) * FBANK_SHIFT // self.hop)

    def features(self, speech: torch.Tensor) -> torch.Tensor:
        """See the base class."""
        # Pad short signals with silence here, because the encoder of ESPnet 202511 would repeat them.
        speech = torch.nn.functional.pad(speech, (0, max(0, LEAST_SAMPLES - speech.shape[1])))
        tokens = self.network.extract_features(speech)[0]  # forward() differs between ESPnet's releases
        # Patches are ordered by time, then by frequency.
        return tokens.unflatten(1, (-1, self.tokens_per_frame)).flatten(2)

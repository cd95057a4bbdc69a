"""The contract of frozen features, and a hash that identifies their weights."""

import hashlib
from abc import ABC, abstractmethod

import torch


class AbsFeatures(ABC, torch.nn.Module):
    """Frozen features; a frame may consist of several tokens, which are concatenated.

    Each recording is processed by itself, without padding, so that its features do not depend on the rest of the batch.

    Attributes:
        name: file, folder or name of the model.
        sample_rate: sample rate of the audio, Hz.
        hop: samples between frames.
        dim: number of values per frame.
        tokens_per_frame: number of tokens per frame; it divides ``dim``.
        fingerprint: hash of the weights.
    """

    name: str
    sample_rate = 16000
    hop: int
    dim: int
    tokens_per_frame = 1
    fingerprint: str

    @abstractmethod
    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of ``num_samples`` samples."""

    @abstractmethod
    def features(self, speech: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, frame, dim)`` for recordings of equal length, ``(batch, sample)``."""

    @torch.no_grad()
    def encode(self, speech: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(features (batch, frame, dim), frames (batch,))`` of ``speech (batch, sample)``, as codecs do."""
        each = [self.features(row[None, :length])[0] for row, length in zip(speech, lengths.tolist())]
        padded = torch.nn.utils.rnn.pad_sequence(each, batch_first=True)
        return padded, torch.tensor([len(item) for item in each], device=lengths.device)


def hash_of_weights(network: torch.nn.Module, left_out: tuple[str, ...] = ()) -> str:
    """Return 16 hexadecimal digits that identify the weights of a network.

    Args:
        network: the network.
        left_out: prefixes of the names of weights to ignore.
    """
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if left_out and name.startswith(left_out):
            continue
        digest.update(f"{name}\0{tuple(value.shape)}\0".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]

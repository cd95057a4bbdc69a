"""The contract of frozen features, and the hash that tells their weights apart."""

import hashlib
from abc import ABC, abstractmethod

import torch


class AbsFeatures(ABC, torch.nn.Module):
    """Frozen features; what is called a frame here may hold several tokens, one after the other.

    Each recording is computed by itself, without padding: what lies beside it in a batch changes nothing.

    Attributes:
        name: file, folder, or name.
        sample_rate: sample rate of the audio, Hz.
        hop: samples between frames.
        dim: values of a frame.
        tokens_per_frame: divides ``dim``.
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
        """Return ``(batch, frame, dim)`` for recordings of one length, ``(batch, sample)``."""

    @torch.no_grad()
    def encode(self, speech: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(features (batch, frame, dim), frames (batch,))`` of ``speech (batch, sample)``; see the codecs'."""
        each = [self.features(row[None, :length])[0] for row, length in zip(speech, lengths.tolist())]
        padded = torch.nn.utils.rnn.pad_sequence(each, batch_first=True)
        return padded, torch.tensor([len(item) for item in each], device=speech.device)


def hash_of_weights(network: torch.nn.Module, left_out: tuple[str, ...] = ()) -> str:
    """Return 16 hexadecimal digits that tell whether weights are the same.

    Args:
        network: whose weights they are.
        left_out: beginnings of the names of those that do not count.
    """
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if left_out and name.startswith(left_out):
            continue
        digest.update(f"{name}\0{tuple(value.shape)}\0".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]

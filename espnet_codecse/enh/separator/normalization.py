"""Normalisation of embeddings at the input of a separator; masks still apply to the original embedding."""

import torch

from espnet_codecse.length_mask import on_device

MODES = ("none", "global", "utterance")


class EmbeddingNormalization(torch.nn.Module):
    """Scale embeddings to unit scale.

    Args:
        num_channels: number of channels of the embedding.
        mode: ``none``; ``global``: mean and standard deviation per channel over the training set (stage 4), for codecs
            whose channels differ widely; or ``utterance``: one scale per utterance, which removes the level.

    Raises:
        ValueError: the mode is unknown.
    """

    def __init__(self, num_channels: int, mode: str):
        super().__init__()
        if mode not in MODES:
            raise ValueError(f"normalize '{mode}' is none of {', '.join(MODES)}")
        self.mode = mode
        if mode == "global":
            self.register_buffer("mean", torch.zeros(num_channels))
            self.register_buffer("std", torch.ones(num_channels))

    def set_statistics(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        """Set the statistics ``(channel,)``, which checkpoints include; modes other than ``global`` ignore them."""
        if self.mode == "global":
            self.mean.copy_(mean)
            self.std.copy_(std.clamp(min=1e-5))

    def forward(
        self, embedding: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the normalised embedding and the scale that was removed, which broadcasts with it.

        Args:
            embedding: ``(batch, frame, channel)``, zero in the padding.
            lengths: ``(batch,)`` frames; None: all frames are valid.
        """
        if self.mode == "global":
            return (embedding - self.mean) / self.std, self.std
        if self.mode == "utterance":
            count: int | torch.Tensor = embedding.shape[1]
            if lengths is not None:
                count = on_device(lengths, embedding.device).to(embedding.dtype).clamp(min=1)[:, None, None]
            power = embedding.square().sum((1, 2), keepdim=True) / (count * embedding.shape[2])
            scale = power.sqrt() + 1e-5
            return embedding / scale, scale
        return embedding, embedding.new_ones(())

    def restored(self, normalized: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """Return embeddings of the original scale; the inverse of :meth:`forward`, which returned ``scale``."""
        return normalized * scale + (self.mean if self.mode == "global" else 0.0)

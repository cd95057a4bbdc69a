"""Latents of whole recordings, which are stored once instead of being computed in every training step."""

from pathlib import Path

import torch

from espnet_codecse.checkpoint import check_weights, load_checkpoint
from espnet_codecse.documents import read_yaml
from espnet_codecse.errors import UserError
from espnet_codecse.features import hash_of_weights
from espnet_codecse.fuse.build import SAMPLE_RATE, build_vae_model
from espnet_codecse.fuse.enhancer import OVERLAP_FRAMES
from espnet_codecse.fuse.vae_model import FuseVAEModel
from espnet_codecse.inference.segments import cut_windows, join_windows


class LatentEncoder(torch.nn.Module):
    """The VAE's encoder for recordings of any length, with the part of the codec interface that extraction needs.

    It processes windows, as inference does, because the network's normalisation depends on the length of its input.

    Args:
        name: the checkpoint.
        model: model of the first step.
        window_frames: number of frames of a window of the spectrogram.
    """

    at_peak_of_mixture = True
    sample_rate = SAMPLE_RATE

    def __init__(self, name: str, model: FuseVAEModel, window_frames: int):
        super().__init__()
        self.name, self.model, self.window_frames = name, model, window_frames
        self.reduction = model.vae.reduction
        self.hop = model.spectrogram.hop * self.reduction
        self.dim = model.vae.latent_channels * model.spectrogram.num_bins // self.reduction
        self.fingerprint = hash_of_weights(model.vae)

    def num_frames(self, num_samples: int) -> int:
        """Return the number of latent frames, at least that of one window."""
        return max(-(-self.model.spectrogram.num_frames(num_samples) // self.reduction), self._window)

    @property
    def _window(self) -> int:
        return self.window_frames // self.reduction

    @torch.no_grad()
    def encode(self, speech: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``(latents (batch, frame, channel * bin), frames (batch,))`` of ``speech (batch, sample)``."""
        each = [self._encode(row[:length]) for row, length in zip(speech, lengths.tolist())]
        padded = torch.nn.utils.rnn.pad_sequence(each, batch_first=True)
        return padded, torch.tensor([len(item) for item in each], device=speech.device)

    def _encode(self, speech: torch.Tensor) -> torch.Tensor:
        """Return ``(frame, channel * bin)`` of ``speech (sample,)``."""
        overlap = min(OVERLAP_FRAMES, self.window_frames // 4) // self.reduction
        windows, starts = cut_windows(
            self.model.spectrogram(speech[None])[0], self.window_frames, overlap * self.reduction
        )
        latents = torch.cat([self.model.vae.encode(window[None]) for window in windows])
        starts = [start // self.reduction for start in starts]
        return join_windows(latents, starts, overlap, self.num_frames(len(speech))).flatten(0, 1).T


def load_latents(name: str, device: str = "cpu") -> LatentEncoder:
    """Load the encoder of a checkpoint of the first step; its ``config.yaml`` must be in the same folder.

    Raises:
        UserError: a file is missing, or belongs to another kind of model.
    """
    file = Path(name)
    config = file.parent / "config.yaml"
    conf = read_yaml(config, "was the step 1_vae trained?")
    try:
        parts = conf["spectrogram_conf"], conf["vae_conf"], conf["model_conf"], conf["window_frames"]
    except KeyError as error:
        raise UserError(f"{config}: not of the step 1_vae ({' '.join(str(error).split())}); was it trained?") from None
    model = build_vae_model(*parts)
    weights = load_checkpoint(file)
    check_weights(model, weights, file, str(config))
    model.load_state_dict(weights)
    model.requires_grad_(False).eval()
    return LatentEncoder(name, model, conf["window_frames"]).to(device)

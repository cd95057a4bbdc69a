"""The diffusion as a diffusion model of ESPnet's enhancement task, like ESPnet's score model."""

from pathlib import Path
from typing import Any

import torch
from espnet2.enh.diffusion.abs_diffusion import AbsDiffusion

from espnet_codecse.checkpoint import check_weights, load_checkpoint
from espnet_codecse.inference.segments import cut_windows, join_windows

CHUNK = 64  # training spectrograms are padded at the end to a multiple of this number of frames


class FuseDiffusion(AbsDiffusion):
    """The choice ``diffusion_model: fuse`` of ESPnet's enhancement task.

    The encoder must be ESPnet's ``stft`` with the same front end: ``n_fft: 510``, ``hop_length: 128``,
    ``spec_transform_type: exponent``. The guidance is computed from the waveform of the noisy spectrogram.

    Args:
        vae_file: checkpoint of the first step. None: the diffusion runs on the spectrogram itself, or a checkpoint that
            is loaded later contains the weights.
        num_steps: number of DDIM steps of ``enhance``.
        overlap_frames: overlap of windows in ``enhance``.
        conf: see :func:`build_fuse_model`.
    """

    def __init__(self, vae_file: str | None = None, num_steps: int = 6, overlap_frames: int = 32, **conf: Any):
        super().__init__()
        # Imported here, because importing ESPnet's task registers this class, and should not wait for diffusers.
        from espnet_codecse.fuse.build import build_fuse_model

        defaults: dict[str, Any] = {
            "spectrogram_conf": {}, "vae_conf": {}, "denoiser_conf": {}, "diffusion_conf": {}, "guidance_conf": {},
        }  # fmt: skip
        self.model = build_fuse_model(**{**defaults, **conf})
        self.num_steps, self.overlap_frames = num_steps, overlap_frames
        if vae_file is not None:
            weights = load_checkpoint(Path(vae_file))
            own = {key.removeprefix("vae."): value for key, value in weights.items() if key.startswith("vae.")}
            check_weights(self.model.vae, own, vae_file, "vae_conf")
            self.model.vae.load_state_dict(own)

    def forward(self, feature_ref: torch.Tensor, feature_mix: torch.Tensor) -> torch.Tensor:
        """Return the loss for complex compressed spectrograms ``(batch, frame, bin)`` of clean and noisy speech."""
        clean, noisy = (_two_channels(feature) for feature in (feature_ref, feature_mix))
        missing = -clean.shape[-1] % CHUNK
        clean, noisy = (torch.nn.functional.pad(spectrogram, (0, missing)) for spectrogram in (clean, noisy))
        with torch.no_grad():
            guidance = self._features(noisy)
            clean, noisy = self.model.vae.encode(clean), self.model.vae.encode(noisy)
        return self.model.loss(clean, noisy, guidance)

    def enhance(self, input: torch.Tensor) -> torch.Tensor:
        """Return the enhanced spectrogram; input and output are complex ``(batch, frame, bin)``."""
        spectrogram = _two_channels(input)
        enhanced = []
        for item in spectrogram:
            windows, starts = cut_windows(item, self.model.window_frames, self.overlap_frames)
            numbers = list(range(len(starts)))
            output = self.model.enhance(
                windows, self._features(windows), numbers, self.num_steps, overlap_frames=self.overlap_frames
            )
            enhanced.append(join_windows(output, starts, self.overlap_frames, item.shape[-1]))
        return torch.complex(*torch.stack(enhanced).unbind(1)).transpose(1, 2)

    def _features(self, spectrogram: torch.Tensor) -> torch.Tensor | None:
        if self.model.features_source is None:
            return None
        front_end = self.model.spectrogram
        speech = front_end.inverse(spectrogram, front_end.num_samples(spectrogram.shape[-1]))
        return self.model.features(speech.device).features(speech)


def _two_channels(spectrum: torch.Tensor) -> torch.Tensor:
    """Return ``(batch, 2, bin, frame)`` of complex ``(batch, frame, bin)``."""
    return torch.view_as_real(spectrum).permute(0, 3, 2, 1)

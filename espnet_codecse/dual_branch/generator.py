"""The generator: one encoder, two transformers, two quantisers, one decoder, and the scales of the two branches."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from espnet_codecse.codec.chunking import reach_in_samples
from espnet_codecse.dual_branch.branches import Branches, branch_scales
from espnet_codecse.dual_branch.coder import build_coder
from espnet_codecse.dual_branch.quantizer import BranchQuantizer
from espnet_codecse.dual_branch.roformer import RoFormer
from espnet_codecse.errors import UserError
from espnet_codecse.length_mask import has_padding, length_mask, on_device
from espnet_codecse.precision import autocast

PARTS = ("encoder", "decoder", "speech_branch", "noise_branch", "speech_quantizer", "noise_quantizer")
OUTPUT_NAMES = ("spk1", "noise1", "reconstruction")


class DualBranchGenerator(torch.nn.Module):
    """Estimate speech and noise from the codec embedding of a noisy recording (Klement & Burget, 2025, section 2).

    Args:
        coder_conf: layout of encoder and decoder; see :func:`espnet_codecse.dual_branch.coder.build_coder`.
        codec: codec whose weights initialise encoder, decoder and quantisers; None: random weights.
        noise_branch: use a second branch for the noise.
        num_quantizers: number of codebooks per branch; 0: embeddings are decoded without quantisation.
        quantizer_dropout: share of each training batch that uses a random number of these codebooks.
        scales: solve for alpha and beta; otherwise both are one.
        level_db: level of recordings at the encoder's input, dB relative to full scale (RMS).
        frozen: names of parts that are not trained: encoder, decoder, speech_branch, noise_branch, speech_quantizer,
            noise_quantizer.
        roformer: arguments of :class:`RoFormer`, the same for both branches.

    Raises:
        UserError: a part is unknown, or the coder or a quantiser cannot be built.
    """

    def __init__(
        self,
        coder_conf: Mapping[str, Any],
        codec: str | None = None,
        noise_branch: bool = True,
        num_quantizers: int = 12,
        quantizer_dropout: float = 0.0,
        scales: bool = True,
        level_db: float = -26.0,
        frozen: Sequence[str] = (),
        roformer: dict[str, Any] | None = None,
    ):
        super().__init__()
        unknown = sorted(set(frozen) - set(PARTS))
        if unknown:
            raise UserError(f"generator_conf frozen: '{unknown[0]}' is unknown; known: {', '.join(PARTS)}")
        self.coder, quantizer = build_coder(coder_conf, codec)
        self.scales, self.level_db, self.num_quantizers = scales, level_db, num_quantizers
        self.margin = self.coder.reach
        branches = ("speech", "noise") if noise_branch else ("speech",)
        self.branches = torch.nn.ModuleDict({name: RoFormer(self.coder.dim, **(roformer or {})) for name in branches})
        self.quantizers = torch.nn.ModuleDict()
        if num_quantizers:
            for name in branches:
                self.quantizers[name] = BranchQuantizer(quantizer, num_quantizers, quantizer_dropout)
            self.margin = max(self.margin, math.ceil(reach_in_samples([quantizer], 1)))  # the unit here is a frame
        self.frozen = [part for part in map(self.part, frozen) if part is not None]
        for part in self.frozen:
            part.requires_grad_(False)
        self.train(self.training)

    def part(self, name: str) -> torch.nn.Module | None:
        """Return one of :data:`PARTS`; None if this generator does not have it."""
        if name in ("encoder", "decoder"):
            return getattr(self.coder, name)
        branch, kind = name.split("_")
        modules = self.branches if kind == "branch" else self.quantizers
        return dict(modules.items()).get(branch)

    def train(self, mode: bool = True) -> "DualBranchGenerator":
        """Set the mode; frozen parts stay in evaluation mode, because dropout in them would only add noise."""
        super().train(mode)
        for part in getattr(self, "frozen", ()):
            part.eval()
        return self

    def gain(self, speech: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return gains ``(batch, 1)`` that bring ``speech (batch, sample)`` to the generator's level; 1 for silence."""
        return self.gain_of_power(speech.square().sum(1) / on_device(lengths, speech.device).to(speech.dtype))

    def gain_of_power(self, power: torch.Tensor) -> torch.Tensor:
        """Return the gains ``(batch, 1)`` of :meth:`gain` for signals of ``power (batch,)``, the mean square."""
        gain = 10 ** (self.level_db / 20) / power.clamp(min=1e-16).sqrt()
        return torch.where(power > 1e-16, gain, torch.ones_like(gain)).unsqueeze(1)

    def forward(self, speech: torch.Tensor, lengths: torch.Tensor, dtype: torch.dtype = torch.float32) -> Branches:
        """Separate speech and noise.

        Args:
            speech: ``(batch, sample)`` at the generator's level, zero after each length.
            lengths: ``(batch,)`` samples; on the CPU, the host need not wait for the device.
            dtype: data type of the transformers' matrix products.
        """
        num_samples = speech.shape[1]
        frames = torch.tensor([self.coder.num_frames(n) for n in lengths.tolist()])
        # The result of an item must not depend on the length of its batch. Training segments have equal lengths and do
        # not need this.
        num_frames = int(frames.max()) + (0 if self.training else self.margin)
        mask = length_mask(frames, num_frames, speech.device)
        embedding = self.coder.encode(speech, num_frames) * mask.unsqueeze(-1)
        attention_mask = mask if has_padding(frames, num_frames) else None
        estimates, commitment, codebook = [], speech.new_zeros(()), speech.new_zeros(())
        for name, branch in self.branches.items():
            with autocast(speech.device, dtype):
                estimate = branch(embedding, attention_mask)
            estimate = estimate.to(embedding.dtype)
            if self.num_quantizers:
                estimate, *losses = self.quantizers[name](estimate)
                commitment, codebook = commitment + losses[0], codebook + losses[1]
            estimates.append(estimate * mask.unsqueeze(-1))
        # The shared decoder processes both branches in one pass.
        decoded = self.coder.decode(torch.cat(estimates), num_samples)
        valid = length_mask(lengths, num_samples, speech.device)
        waveforms = (decoded.view(len(estimates), len(speech), num_samples) * valid).unbind(0)
        clean, noise = waveforms[0], waveforms[1] if len(waveforms) > 1 else None
        alpha, beta = self._scales(speech, clean, noise)
        return Branches(clean, noise, alpha, beta, commitment, codebook)

    def _scales(
        self, speech: torch.Tensor, clean: torch.Tensor, noise: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self.scales:
            return branch_scales(speech, clean, noise)
        ones = speech.new_ones(len(speech), 1)
        return ones, ones if noise is not None else torch.zeros_like(ones)


@contextmanager
def without_gradient(module: torch.nn.Module) -> Iterator[None]:
    """Disable the gradients of the weights of ``module``; gradients still flow through it."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)

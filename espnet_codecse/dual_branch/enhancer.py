"""Enhancement of recordings with the trained system: speech, noise and their sum."""

import argparse
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch

from espnet_codecse.dual_branch.generator import OUTPUT_NAMES, DualBranchGenerator
from espnet_codecse.errors import UserError
from espnet_codecse.inference.abs_enhancer import AbsEnhancer, Levels, Outputs, RunSettings, Waveforms, pad_batch

if TYPE_CHECKING:
    from espnet_codecse.dual_branch.model import DualBranchModel

OVERLAP_SECONDS = 1.0


class DualBranchEnhancer(AbsEnhancer):
    """Return ``spk1 = alpha x_CS``, ``noise1 = beta x_N`` and their sum, ``reconstruction``, at the input's level.

    If the model has only one branch, the noise is silence.

    Args:
        generator: the trained generator.
        dtype: data type of the transformers' matrix products: float32 or bfloat16; encoder and decoder use float32.
        segment_seconds: longest segment that is processed at once.

    Raises:
        UserError: the dtype is not supported, or segments are not longer than their overlap.
    """

    needs_level = True

    def __init__(
        self, generator: DualBranchGenerator, dtype: torch.dtype = torch.float32, segment_seconds: float = 30.0
    ):
        if dtype not in (torch.float32, torch.bfloat16):
            raise UserError(f"--dtype {str(dtype).removeprefix('torch.')}: dual_branch runs in float32 or bfloat16")
        rate = generator.coder.sample_rate
        super().__init__(
            rate, ("waveform",), OUTPUT_NAMES, round(segment_seconds * rate), round(OVERLAP_SECONDS * rate)
        )
        self.network: DualBranchGenerator = generator.eval()
        self.dtype = dtype

    @classmethod
    def _from_model(
        cls, model: "DualBranchModel", training: argparse.Namespace, run: RunSettings, **options: Any
    ) -> "DualBranchEnhancer":
        return cls(model.generator.to(run.device), run.dtype, run.segment_seconds)

    @torch.no_grad()
    def _enhance_batch(self, speech: Waveforms, references: Waveforms | None, levels: Levels) -> Outputs:
        """See :meth:`AbsEnhancer.enhance_batch`."""
        batch, lengths = pad_batch(speech)
        device = next(self.network.parameters()).device
        batch, lengths = batch.to(device), lengths.to(device)
        assert levels is not None  # needs_level
        powers = [level.power for level in levels]
        gain = self.network.gain_of_power(torch.tensor(powers, dtype=batch.dtype, device=device))
        started = perf_counter()
        branches = self.network(batch * gain, lengths, self.dtype)
        if batch.is_cuda:
            torch.cuda.synchronize(batch.device)
        self.network_seconds += perf_counter() - started
        clean = branches.alpha * branches.clean / gain
        noise = torch.zeros_like(clean) if branches.noise is None else branches.beta * branches.noise / gain
        outputs = torch.stack([clean, noise, clean + noise], dim=1).float().cpu().numpy()
        return [{"waveform": output[:, :length]} for output, length in zip(outputs, lengths.tolist())]

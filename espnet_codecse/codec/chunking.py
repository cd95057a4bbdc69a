"""Running convolutional coders over long signals in chunks that equal the whole.

A convolution sees a bounded neighbourhood, so a chunk extended on both sides by that reach and cropped afterwards
equals the same part of the whole signal. An LSTM sees the whole past: it runs over all frames at once, which is
cheap at the frame rate, between the chunked convolutions.
"""

import math
from collections.abc import Callable, Iterable, Iterator

import torch

Segment = tuple[bool, list[torch.nn.Module]]


def reach_in_samples(layers: Iterable[torch.nn.Module], samples_per_unit: float) -> float:
    """Return an upper bound of how many samples the output depends on.

    Layers count in order, branches of a residual unit as if they followed each other. A layer that knows better
    has an attribute ``reach``, in samples.

    Args:
        layers: the coder's layers in order.
        samples_per_unit: samples per input unit: 1 for an encoder, the hop for a decoder.
    """
    reach, jump = 0.0, float(samples_per_unit)
    for layer in layers:
        if hasattr(layer, "reach"):
            reach += layer.reach
            continue
        for module in layer.modules():
            if isinstance(module, torch.nn.ConvTranspose1d):
                jump /= module.stride[0]
                reach += (module.kernel_size[0] - 1) * module.dilation[0] * jump
            elif isinstance(module, torch.nn.Conv1d):
                reach += (module.kernel_size[0] - 1) * module.dilation[0] * jump
                jump *= module.stride[0]
    return reach


def split_at_recurrence(layers: Iterable[torch.nn.Module]) -> list[Segment]:
    """Group layers into runs: ``(is recurrent, layers)``."""
    segments: list[Segment] = []
    for layer in layers:
        recurrent = any(isinstance(module, torch.nn.RNNBase) for module in layer.modules())
        if segments and not recurrent and not segments[-1][0]:
            segments[-1][1].append(layer)
        else:
            segments.append((recurrent, [layer]))
    return segments


def group_size(batch: torch.Tensor, num_frames: int, max_frames: int) -> int:
    """Return how many items of ``batch``, of ``num_frames`` each, to compute together.

    On a GPU all. A processor's caches hold ``max_frames``; with more at once it is slower.
    """
    return len(batch) if batch.is_cuda else max(1, max_frames // num_frames)


def chunk_bounds(num_frames: int, chunk_frames: int, context: int | None) -> Iterator[tuple[int, int, int, int]]:
    """Yield ``(first frame, end frame, first frame with context, end frame with context)`` of each chunk.

    Args:
        num_frames: frames of the whole.
        chunk_frames: frames kept of each chunk.
        context: frames on each side that a chunk depends on; None: the whole past, so that there is one chunk.
    """
    if context is None:
        chunk_frames, context = max(num_frames, 1), 0
    for start in range(0, num_frames, chunk_frames):
        end = min(start + chunk_frames, num_frames)
        yield start, end, max(0, start - context), min(num_frames, end + context)


def run_chunked(
    function: Callable[[torch.Tensor], torch.Tensor],
    units: torch.Tensor,
    units_per_frame: int,
    outputs_per_frame: int,
    chunk_frames: int,
    context_frames: int,
) -> torch.Tensor:
    """Apply a convolutional ``function`` over the last axis chunk by chunk.

    Args:
        function: maps ``(batch, channel, unit)`` to ``(batch, channel, output)``.
        units: ``(batch, channel, unit)``; samples for an encoder, frames for a decoder.
        units_per_frame: input units per frame.
        outputs_per_frame: outputs per frame.
        chunk_frames: frames kept of each chunk.
        context_frames: frames of context on each side, at least the function's reach.

    Returns:
        ``(batch, channel, output)``, the same as ``function(units)``.
    """
    num_frames = math.ceil(units.shape[-1] / units_per_frame)
    if num_frames <= chunk_frames + 2 * context_frames:
        return function(units)
    pieces = []
    for start, end, first, last in chunk_bounds(num_frames, chunk_frames, context_frames):
        piece = function(units[..., first * units_per_frame : last * units_per_frame])
        # The last chunk keeps whatever lies beyond its last whole frame.
        stop = None if end == num_frames else (end - first) * outputs_per_frame
        pieces.append(piece[..., (start - first) * outputs_per_frame : stop])
    return torch.cat(pieces, dim=-1)

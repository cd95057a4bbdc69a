"""Run convolutional coders over long signals in chunks, with the same result as for the whole signal.

A convolution depends on a bounded neighbourhood, its reach. If a chunk is extended by the reach on both sides and
cropped afterwards, the result equals that part of the whole signal. An LSTM depends on the whole past. It runs over all
frames at once, between the chunked convolutions, which is cheap at the frame rate.
"""

import math
from collections.abc import Callable, Iterable, Iterator

import torch

Segment = tuple[bool, list[torch.nn.Module]]


def reach_in_samples(layers: Iterable[torch.nn.Module], samples_per_unit: float) -> float:
    """Return an upper bound of the number of samples that an output depends on.

    Layers are counted in order, and the branches of a residual unit as if they were in sequence. A layer can define its
    exact reach with the attribute ``reach``, in samples.

    Args:
        layers: layers of the coder in order.
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
    """Group consecutive layers: ``(is recurrent, layers)``."""
    segments: list[Segment] = []
    for layer in layers:
        recurrent = any(isinstance(module, torch.nn.RNNBase) for module in layer.modules())
        if segments and not recurrent and not segments[-1][0]:
            segments[-1][1].append(layer)
        else:
            segments.append((recurrent, [layer]))
    return segments


def group_size(batch: torch.Tensor, num_frames: int, max_frames: int) -> int:
    """Return the number of items of ``batch``, with ``num_frames`` each, to process together.

    On a GPU, this is the whole batch. The caches of a CPU hold ``max_frames``, and larger groups are slower.
    """
    return len(batch) if batch.is_cuda else max(1, max_frames // num_frames)


def chunk_bounds(num_frames: int, chunk_frames: int, context: int | None) -> Iterator[tuple[int, int, int, int]]:
    """Yield ``(first frame, end frame, first frame with context, end frame with context)`` of each chunk.

    Args:
        num_frames: number of frames of the whole signal.
        chunk_frames: number of frames per chunk, without context.
        context: number of frames on each side that a chunk depends on; None: the whole past, which gives one chunk.
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
    """Apply a convolutional ``function`` along the last axis, chunk by chunk.

    Args:
        function: function that maps ``(batch, channel, unit)`` to ``(batch, channel, output)``.
        units: ``(batch, channel, unit)``; samples for an encoder, frames for a decoder.
        units_per_frame: input units per frame.
        outputs_per_frame: outputs per frame.
        chunk_frames: number of frames per chunk, without context.
        context_frames: frames of context on each side, at least the function's reach.

    Returns:
        ``(batch, channel, output)``, equal to ``function(units)``.
    """
    num_frames = math.ceil(units.shape[-1] / units_per_frame)
    if num_frames <= chunk_frames + 2 * context_frames:
        return function(units)
    pieces = []
    for start, end, first, last in chunk_bounds(num_frames, chunk_frames, context_frames):
        piece = function(units[..., first * units_per_frame : last * units_per_frame])
        # The last chunk also keeps the output after its last whole frame.
        stop = None if end == num_frames else (end - first) * outputs_per_frame
        pieces.append(piece[..., (start - first) * outputs_per_frame : stop])
    return torch.cat(pieces, dim=-1)

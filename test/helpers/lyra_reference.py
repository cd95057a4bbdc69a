"""Lyra's graphs as Google's runtime (ai-edge-litert) computes them, and what their rounding does to our network.

The published graphs keep some activations in 8 or 16 bits. Ours are float32: :func:`with_rounding` rounds them where
the graphs do, so that nothing else is left that could differ.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_codecse.codec.lyra.codec import DECODER, ENCODER, QUANTIZER, LyraCodec
from espnet_codecse.codec.lyra.layers import CausalConv, CausalUpsample, Residual
from espnet_codecse.codec.lyra.tflite_file import Graph, Operator, TfliteFile

HOP = 320
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "lyra_v2"
KINDS = {
    torch.nn.LeakyReLU: ("LEAKY_RELU",), CausalConv: ("CONV_2D", "DEPTHWISE_CONV_2D"),
    CausalUpsample: ("TRANSPOSE_CONV",), Residual: ("ADD",),
}  # fmt: skip


def published_folder() -> Path:
    """Return where the published files are, if they are anywhere: ``$CODECSE_LYRA`` or beside the repository."""
    return Path(os.environ.get("CODECSE_LYRA") or BESIDE)


def interpreter(path: Path, **options) -> Any:
    """Return a runner of a file's graphs, with the state of silence."""
    from ai_edge_litert.interpreter import Interpreter

    found = Interpreter(str(path), num_threads=1, **options)
    found.allocate_tensors()
    return found


def run(path: Path, frames: Iterator[np.ndarray]) -> np.ndarray:
    """Run a coder's graph on one frame after the other and return the outputs, stacked."""
    runner = interpreter(path)
    (source,), (target,) = runner.get_input_details(), runner.get_output_details()
    outputs = []
    for frame in frames:
        runner.set_tensor(source["index"], frame)
        runner.invoke()
        outputs.append(runner.get_tensor(target["index"]).copy())
    return np.stack(outputs)


def encode(folder: Path, speech: np.ndarray) -> np.ndarray:
    """Return the embedding ``(frame, channel)`` of ``speech (sample,)``, of whole frames."""
    return run(folder / ENCODER, speech.reshape(-1, 1, HOP))[:, 0, 0]


def decode(folder: Path, embedding: np.ndarray) -> np.ndarray:
    """Return the speech ``(sample,)`` of ``embedding (frame, channel)``."""
    return run(folder / DECODER, embedding[:, None, None]).reshape(-1)


def quantize(folder: Path, embedding: np.ndarray, num_codebooks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``codes (codebook, frame)``, -1 from ``num_codebooks`` on, and what they decode to ``(frame, channel)``.

    With the signatures of the published file.
    """
    runner = interpreter(folder / QUANTIZER)
    encoder, decoder = (runner.get_signature_runner(name) for name in ("encode", "decode"))
    codes, decoded = [], []
    for frame in embedding[:, None, None]:
        outputs = encoder(input_frames=frame, num_quantizers=np.int32(num_codebooks)).values()
        codes.append(next(output for output in outputs if output.dtype == np.int32))
        decoded.append(decoder(encoding_indices=codes[-1])["output_0"][0, 0])
    return np.stack(codes, axis=-1)[:, 0, 0], np.stack(decoded)


def pairs(layers: list[torch.nn.Module], graph: Graph) -> Iterator[tuple[torch.nn.Module, list[Operator]]]:
    """Yield each of our layers with the graph's operators that do the same: several for groups of channels."""
    operators = iter(graph.operators)
    for layer in _in_order(layers):
        kinds = KINDS[type(layer)]
        count = layer.convolution.groups if isinstance(layer, CausalUpsample) else 1
        found = [next(operator for operator in operators if operator.kind in kinds) for _ in range(count)]
        yield layer, found


def _in_order(layers: list[torch.nn.Module]) -> Iterator[torch.nn.Module]:
    for layer in layers:
        if isinstance(layer, Residual):
            yield from _in_order(list(layer))
        yield layer


class Rounding:
    """Integers with a step, as one tensor of a graph is stored."""

    def __init__(self, details: dict[str, Any]):
        self.step, zero_point = details["quantization"]
        limits = np.iinfo(details["dtype"])
        self.low, self.high = limits.min - zero_point, limits.max - zero_point

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Return the nearest values that it holds."""
        return self.cut((values / self.step).round() * self.step)

    def cut(self, values: torch.Tensor) -> torch.Tensor:
        """Return ``values`` within its range."""
        return values.clamp(self.low * self.step, self.high * self.step)


def roundings(path: Path) -> dict[int, Rounding]:
    """Return how the tensors of a file's main graph are rounded: their own way, or that of the QUANTIZE they go to."""
    details = {item["index"]: item for item in interpreter(path).get_tensor_details()}
    found = {number: Rounding(item) for number, item in details.items() if item["quantization"][0]}
    for operator in TfliteFile(path).graph("main").operators:
        if operator.kind == "QUANTIZE":
            found.setdefault(operator.inputs[0], found[operator.outputs[0]])
    return found


def with_rounding(folder: Path) -> LyraCodec:
    """Return our codec with activations rounded where the graphs round them."""
    codec = LyraCodec(folder, "rounded")
    for path, layers in ((folder / ENCODER, codec.encoder), (folder / DECODER, codec.decoder)):
        rounding = roundings(path)
        graph = TfliteFile(path).graph("main")
        for layer, operators in pairs(layers, graph):
            before = rounding.get(operators[0].inputs[0])
            steps = [rounding[operator.outputs[0]] for operator in operators if operator.outputs[0] in rounding]
            if not steps:
                continue
            if isinstance(layer, CausalUpsample):
                layer.forward = _rounded_upsampling(layer, graph, operators, steps)
            elif isinstance(layer, torch.nn.LeakyReLU) and before is not None:
                layer.forward = _rounded_activation(layer, before, steps[0])
            else:
                layer.register_forward_hook(lambda module, inputs, output, step=steps[0]: step(output))
    return codec


def _rounded_activation(layer: torch.nn.LeakyReLU, source: Rounding, target: Rounding):
    """Return a forward on integers, as the runtime has it: slopes in 256ths, halves upwards."""
    slopes = [np.rint(256 * slope * source.step / target.step) for slope in (1.0, layer.negative_slope)]

    def forward(features: torch.Tensor) -> torch.Tensor:
        integers = (features / source.step).round()
        product = integers * torch.where(integers < 0, slopes[1], slopes[0])
        return ((product + 128) / 256).floor().clamp(target.low, target.high) * target.step

    return forward


def _rounded_upsampling(layer: CausalUpsample, graph: Graph, operators: list[Operator], steps: list[Rounding]):
    """Return a forward that rounds what each frame gives, with the bias, before frames are added up."""
    convolution = layer.convolution
    stride, kernel, groups = convolution.stride[0], convolution.kernel_size[0], convolution.groups
    units = graph.shape(operators[0].inputs[2])[1]  # of a frame
    # What is subtracted again where frames overlap is not the rounded bias, but the true one.
    followers = graph.operators[graph.operators.index(operators[0]) :]
    biases = [graph.constant(operator.inputs[1]) for operator in followers if operator.kind == "SUB"][:groups]
    bias = torch.from_numpy(np.concatenate(biases))[:, None]

    def forward(features: torch.Tensor) -> torch.Tensor:
        batch, channels, time = features.shape
        frames = features.unfold(2, units, units).transpose(1, 2).reshape(-1, channels, units)
        parts = convolution(frames).chunk(groups, dim=1)
        made = torch.cat([step(part) for step, part in zip(steps, parts)], dim=1) - bias
        hop, span = units * stride, made.shape[-1]
        made = made.reshape(batch, time // units, -1, span).permute(0, 2, 3, 1).flatten(1, 2)
        length = time * stride + kernel - stride
        added = torch.nn.functional.fold(made, (1, length), (1, span), stride=(1, hop))[:, :, 0]
        return added[..., : time * stride] + bias

    return forward


def layer_by_layer(
    path: Path, layers: list[torch.nn.Module], frames: np.ndarray
) -> Iterator[tuple[Operator, torch.Tensor, torch.Tensor, Rounding | None]]:
    """Run a graph and give each of our layers what the graph's own operator got.

    Yields:
        ``(operator, our output (channel, unit), the graph's, its rounding or None)`` for each operator of each frame.
    """
    runner = interpreter(path, experimental_preserve_all_tensors=True)
    details = {item["index"]: item for item in runner.get_tensor_details()}
    matched = list(pairs(layers, TfliteFile(path).graph("main")))

    def values(number: int) -> torch.Tensor:
        step, zero_point = details[number]["quantization"]
        found = torch.from_numpy(runner.get_tensor(number).astype(np.float32))[0, :, 0].T
        return (found - zero_point) * step if step else found

    for frame in frames:
        runner.set_tensor(runner.get_input_details()[0]["index"], frame)
        runner.invoke()
        for layer, operators in matched:
            for group, operator in enumerate(operators):
                output = operator.outputs[0]
                rounding = Rounding(details[output]) if details[output]["quantization"][0] else None
                yield operator, _apply(layer, group, operator, values), values(output), rounding


def _apply(layer: torch.nn.Module, group: int, operator: Operator, values) -> torch.Tensor:
    """Return what a layer makes of an operator's inputs; a convolution's past is part of its input there."""
    if isinstance(layer, Residual):
        return values(operator.inputs[0]) + values(operator.inputs[1])
    if isinstance(layer, torch.nn.LeakyReLU):
        return layer(values(operator.inputs[0]))
    if isinstance(layer, CausalConv):
        return layer.convolution(values(operator.inputs[0])[None])[0]
    own = values(operator.inputs[2])
    features = torch.zeros(layer.convolution.in_channels, own.shape[1])
    features[group * len(own) : (group + 1) * len(own)] = own
    return layer.convolution(features[None])[0].chunk(layer.convolution.groups)[group]

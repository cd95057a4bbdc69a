"""The network of DNSMOS P.835 on windows that overlap: what they share is computed once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HOP = 160  # samples between frames; a frame has two hops
WINDOW_FRAMES = 900
WINDOW_SAMPLES = (WINDOW_FRAMES + 1) * HOP
REACH = 4  # frames on each side, of the convolutions before the first pooling
BLOCK_FRAMES = 448  # computed at once, so that their features stay in a processor's caches


class SlidingNetwork:
    """Scores of windows that start at multiples of two hops.

    The network has four convolutions over frames and bands, which take 97 % of its time, then pooling by two, and
    smaller layers. The outputs of these convolutions are the same for all windows that contain a frame, except within
    their reach of a window's ends, where the network sees zeros instead of neighbours. Those few are computed for each
    window. Scores equal those of the whole network up to rounding.

    Args:
        path: ``sig_bak_ovr.onnx`` of the package speechmos.

    Raises:
        ImportError: onnx or onnxruntime is not installed.
    """

    def __init__(self, path: Path):
        import onnx

        graph = onnx.load(str(path)).graph
        ranks = {item.name: len(item.dims) for item in graph.initializer}
        kinds = [(node.op_type, ranks.get(node.input[1]) if len(node.input) > 1 else None) for node in graph.node]
        first, pooling = kinds.index(("Conv", 4)), [kind for kind, _ in kinds].index("MaxPool")
        power, pooled = graph.node[first].input[0], graph.node[pooling].output[0]
        nodes, source, scores = list(graph.node), graph.input[0].name, graph.output[0].name
        self._to_power = _session(graph, nodes[:first], source, ["N", WINDOW_SAMPLES], power)
        self._to_features = _session(graph, nodes[first : pooling + 1], power, ["N", 1, "T", "F"], pooled)
        self._to_scores = _session(graph, nodes[pooling + 1 :], pooled, ["N", "C", "T", "F"], scores)

    def scores(self, speech: np.ndarray, starts: Sequence[int]) -> np.ndarray:
        """Return SIG, BAK and OVRL before the fit, ``(window, 3)``, of windows of 9.01 s.

        Args:
            speech: ``(sample,)`` float32 at 16 kHz; it holds all windows.
            starts: first sample of each window, in ascending order, multiples of two hops.
        """
        frames = [start // HOP for start in starts]
        power = self._power(speech, frames[-1] + WINDOW_FRAMES)
        features = self._features(power)
        first = self._run(self._to_features, np.concatenate([power[:, :, f : f + 2 * REACH] for f in frames]))
        ends = [frame + WINDOW_FRAMES for frame in frames]
        last = self._run(self._to_features, np.concatenate([power[:, :, end - 2 * REACH : end] for end in ends]))
        rows, half = [], REACH // 2
        for index, (frame, end) in enumerate(zip(frames, ends)):
            middle = features[:, :, frame // 2 + half : end // 2 - half]
            parts = [first[index : index + 1, :, :half], middle, last[index : index + 1, :, half:]]
            rows.append(self._run(self._to_scores, np.concatenate(parts, axis=2))[0])
        return np.array(rows)

    def _power(self, speech: np.ndarray, num_frames: int) -> np.ndarray:
        """Return the logarithmic power spectra ``(1, 1, frame, bin)``."""
        pieces = []
        for start in range(0, num_frames, WINDOW_FRAMES):
            piece = speech[start * HOP : start * HOP + WINDOW_SAMPLES]
            pieces.append(self._run(self._to_power, np.pad(piece, (0, WINDOW_SAMPLES - len(piece)))[None]))
        return np.concatenate(pieces, axis=2)[:, :, :num_frames]

    def _features(self, power: np.ndarray) -> np.ndarray:
        """Return the pooled features ``(1, channel, frame / 2, bin / 2)`` of all frames, block by block."""
        pieces = []
        for start in range(0, power.shape[2], BLOCK_FRAMES):
            before = min(start, REACH)
            piece = power[:, :, start - before : start + BLOCK_FRAMES + REACH]
            block = self._run(self._to_features, piece)[:, :, before // 2 :]
            pieces.append(block[:, :, : BLOCK_FRAMES // 2])
        return np.concatenate(pieces, axis=2)

    @staticmethod
    def _run(session: Any, value: np.ndarray) -> np.ndarray:
        return session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(value)})[0]


def _session(graph: Any, nodes: Sequence[Any], source: str, shape: Sequence[int | str], target: str) -> Any:
    """Return a session of some consecutive nodes of a network, from one tensor to another, on one thread."""
    import onnx
    import onnxruntime

    used = {name for node in nodes for name in node.input}
    part = onnx.helper.make_graph(
        nodes,
        "part",
        [onnx.helper.make_tensor_value_info(source, onnx.TensorProto.FLOAT, list(shape))],
        [onnx.helper.make_tensor_value_info(target, onnx.TensorProto.FLOAT, None)],
        [item for item in graph.initializer if item.name in used],
    )
    model = onnx.helper.make_model(part, opset_imports=[onnx.helper.make_opsetid("", 12)], ir_version=7)
    return onnxruntime.InferenceSession(model.SerializeToString(), one_thread(), providers=["CPUExecutionProvider"])


def one_thread() -> Any:
    """Return options of a session that runs on one thread, since utterances are scored in parallel."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return options

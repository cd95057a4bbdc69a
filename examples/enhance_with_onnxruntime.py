"""Enhance a wav file with a graph of codecse export_onnx: onnxruntime, NumPy and soundfile are all it needs.

python3 enhance_with_onnxruntime.py causal.onnx noisy.wav enhanced.wav
"""

import sys

import numpy as np
import onnxruntime
import soundfile


class Enhancer:
    """Takes a hop of samples at a time and returns a hop, ``delay`` samples behind."""

    def __init__(self, path: str):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.rate, self.hop = int(metadata["sample_rate"]), int(metadata["hop"])
        self.delay = int(metadata["window_size"]) - self.hop
        self.names = [item.name for item in self.session.get_inputs()]
        self.state = [np.zeros(item.shape, np.float32) for item in self.session.get_inputs()[1:]]

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        enhanced, *self.state = self.session.run(None, dict(zip(self.names, [samples[None], *self.state])))
        return enhanced[0]


def main(graph: str, source: str, target: str) -> None:
    enhancer = Enhancer(graph)
    samples, rate = soundfile.read(source, dtype="float32")
    if rate != enhancer.rate or samples.ndim > 1:
        raise SystemExit(f"{source}: must be mono at {enhancer.rate} Hz")
    rest = -(len(samples) + enhancer.delay) % enhancer.hop
    hops = np.pad(samples, (0, enhancer.delay + rest)).reshape(-1, enhancer.hop)
    enhanced = np.concatenate([enhancer(hop) for hop in hops])
    soundfile.write(target, enhanced[enhancer.delay :][: len(samples)], rate, subtype="FLOAT")


if __name__ == "__main__":
    main(*sys.argv[1:])

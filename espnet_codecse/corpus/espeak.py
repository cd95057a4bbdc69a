"""eSpeak NG through ctypes: run as a program, one process for one list of sentences.

The library keeps its random state and its filters between sentences and has no way to reset them, so that the same
sentence sounds a little different depending on what was said before. A process of its own for each speaker makes the
bytes depend on that speaker's sentences alone: ``python -m espnet_codecse.corpus.espeak < request.json > samples``.

The request is a list of ``{"voice", "text", "rate" (words a minute), "pitch", "range" (0 to 99)}``; the output is, for
each of them, the number of samples (int64) and the samples (int16 at 22,050 Hz), little-endian.
"""

import ctypes
import json
import struct
import sys
from typing import Any, BinaryIO

SAMPLE_RATE = 22050
_SYNCHRONOUS = 2
_UTF8 = 1
_PARAMETERS = {"rate": 1, "pitch": 3, "range": 4}


class Synthesiser:
    """The library, loaded and initialised once in this process.

    Raises:
        RuntimeError: the library does not initialise.
    """

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._chunks: list[bytes] = []
        callback_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self._callback = callback_type(self._collect)  # kept: ctypes frees a callback that nobody refers to
        rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
        if rate != SAMPLE_RATE:
            raise RuntimeError(f"espeak_Initialize returned {rate}, expected {SAMPLE_RATE} Hz")
        self._library.espeak_SetSynthCallback(self._callback)
        # espeak_Initialize seeds two generators from the clock (breath noise, flutter); fix both for the same bytes.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        ctypes.CDLL(None).srand(1)

    def _collect(self, samples: int, num_samples: int, _events: int) -> int:
        if samples and num_samples > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * num_samples))
        return 0

    def say(self, request: dict[str, Any]) -> bytes:
        """Return the int16 samples of one request.

        Raises:
            RuntimeError: the voice is unknown or the synthesis failed.
        """
        self._chunks.clear()
        if self._library.espeak_SetVoiceByName(request["voice"].encode()) != 0:
            raise RuntimeError(f"eSpeak NG has no voice '{request['voice']}'")
        for name, number in _PARAMETERS.items():
            self._library.espeak_SetParameter(number, int(request[name]), 0)
        text = request["text"].encode()
        if self._library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, _UTF8, None, None) != 0:
            raise RuntimeError(f"eSpeak NG could not say '{request['text']}'")
        self._library.espeak_Synchronize()
        return b"".join(self._chunks)


def main(stdin: BinaryIO = sys.stdin.buffer, stdout: BinaryIO = sys.stdout.buffer) -> None:
    """Serve one request."""
    synthesiser = Synthesiser()
    for request in json.load(stdin):
        samples = synthesiser.say(request)
        stdout.write(struct.pack("<q", len(samples) // 2) + samples)


if __name__ == "__main__":
    main()

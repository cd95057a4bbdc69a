"""SPHERE files as WSJ0 has them, and a stand-in for the program that decodes the compressed ones."""

import sys
import zlib
from pathlib import Path

import numpy as np
import soundfile

DECODER = """#!{python}
import io, sys, wave, zlib
arguments = sys.argv[1:]
assert arguments[:3] == ["-f", "wav", "-p"], arguments
content = open(arguments[3], "rb").read()
if content[1024:1028] != b"ajkg":
    sys.exit("sph2pipe: not shorten")
output = io.BytesIO()
with wave.open(output, "wb") as stream:
    stream.setnchannels(1)
    stream.setsampwidth(2)
    stream.setframerate(16000)
    stream.writeframes(zlib.decompress(content[1028:]))
sys.stdout.buffer.write(output.getvalue())
"""


def write_sphere(path: Path, samples: np.ndarray, rate: int = 16000) -> None:
    """Write ``samples (num_samples,)`` as an uncompressed SPHERE file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, format="NIST", subtype="PCM_16")


def compress_sphere(path: Path) -> None:
    """Turn an uncompressed SPHERE file into one whose header says shorten.

    Its samples are zlib's, as no encoder of the real format is at hand: only ``install_decoder``'s program reads it.
    """
    content = path.read_bytes()
    header = content[:1024].replace(b"sample_coding -s3 pcm", b"sample_coding -s26 pcm,embedded-shorten-v2.00")
    path.write_bytes(header[:1024] + b"ajkg" + zlib.compress(content[1024:]))


def install_decoder(folder: Path) -> Path:
    """Write a program ``sph2pipe``, called as the real one, into ``folder`` and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "sph2pipe"
    program.write_text(DECODER.format(python=sys.executable))
    program.chmod(0o755)
    return folder

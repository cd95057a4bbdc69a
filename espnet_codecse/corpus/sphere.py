"""NIST SPHERE files, also those compressed with shorten, which the program sph2pipe of the user decodes."""

import shutil
import subprocess
from pathlib import Path

import numpy as np

from espnet_codecse.audio import audio_info, read_audio_bytes
from espnet_codecse.corpus.recording import read_recording
from espnet_codecse.errors import UserError

MAGIC = b"NIST_1A"
INSTALL = (
    "install sph2pipe and put it into PATH (tools/extras/install_sph2pipe.sh of Kaldi, or https://github.com/"
    "burrmill/sph2pipe), or convert the corpus to wav"
)


def sphere_header(path: Path) -> dict[str, str]:
    """Return the fields of a SPHERE file's header; empty for a file of another kind.

    Raises:
        UserError: the file is missing or its header is damaged.
    """
    try:
        with open(path, "rb") as stream:
            head = stream.read(16)
            if not head.startswith(MAGIC):
                return {}
            stream.seek(0)
            lines = stream.read(int(head[8:])).split(b"end_head")[0].decode("ascii").splitlines()[2:]
        return {fields[0]: fields[2] for fields in (line.split(maxsplit=2) for line in lines) if len(fields) == 3}
    except OSError as error:
        raise UserError(f"{path}: not readable ({error.strerror}); check the path") from None
    except ValueError:
        raise UserError(f"{path}: damaged SPHERE header; copy the file again") from None


def is_compressed(path: Path) -> bool:
    """Whether a file is SPHERE with shorten compression, which libsndfile does not read."""
    return "shorten" in sphere_header(path).get("sample_coding", "")


def require_sph2pipe(path: Path) -> str:
    """Return the program that decodes ``path``.

    Raises:
        UserError: sph2pipe is not installed; how to install it is said.
    """
    program = shutil.which("sph2pipe")
    if program is None:
        raise UserError(f"{path}: compressed with shorten, and there is no sph2pipe in PATH; {INSTALL}")
    return program


def speech_info(path: Path) -> tuple[int, int, int]:
    """Return ``(number of samples, sample rate in Hz, number of channels)`` of any audio file, by its header.

    Raises:
        UserError: the file is missing or damaged.
    """
    header = sphere_header(path)
    if "shorten" not in header.get("sample_coding", ""):
        return audio_info(path)
    try:
        return int(header["sample_count"]), int(header["sample_rate"]), int(header["channel_count"])
    except (KeyError, ValueError):
        raise UserError(f"{path}: damaged SPHERE header; copy the file again") from None


def read_speech(path: Path) -> tuple[np.ndarray, int]:
    """Return ``(samples (num_samples,) of the first channel, float32, sample rate in Hz)`` of any audio file.

    Raises:
        UserError: the file is missing, damaged or empty, or compressed and there is no sph2pipe.
    """
    if is_compressed(path):
        command = [require_sph2pipe(path), "-f", "wav", "-p", str(path)]
        result = subprocess.run(command, capture_output=True, check=False)
        try:
            if result.returncode:
                raise RuntimeError((result.stderr.decode(errors="replace").split("\n")[0] or "no message").strip())
            samples, rate = read_audio_bytes(result.stdout, ".wav")
        except (UserError, RuntimeError) as error:
            raise UserError(f"{path}: sph2pipe cannot decode it ({error}); copy the file again") from None
    else:
        samples, rate = read_recording(path)
    if not len(samples):
        raise UserError(f"{path}: empty, no samples; copy the file again")
    return samples[:, 0], rate

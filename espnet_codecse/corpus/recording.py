"""Reading the recordings of a corpus: those without samples and those with NaN or infinity are refused by name.

Only formats with floating point samples can hold NaN, so that the others are not decoded to find out.
"""

import numpy as np

from espnet_codecse.audio import open_audio, read_audio, resample
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import PathLike

NOT_FINITE = "NaN or infinite samples"
_BLOCK = 1 << 20  # samples per channel


def recording_info(path: PathLike) -> tuple[int, int, int]:
    """Return ``(number of samples, sample rate in Hz, number of channels)`` of a recording that can be used.

    Raises:
        UserError: it is not readable, is empty, or holds NaN or infinity.
    """
    with open_audio(path) as file:
        if not file.num_samples:
            raise UserError(f"{path}: empty, no samples")
        if file.subtype in ("FLOAT", "DOUBLE"):
            while len(block := file.read(_BLOCK)):
                check_finite(block, path)
        return file.num_samples, file.rate, file.num_channels


def read_recording(path: PathLike, start: int = 0, num_samples: int = -1) -> tuple[np.ndarray, int]:
    """Read a recording as :func:`espnet_codecse.audio.read_audio` does.

    Raises:
        UserError: it is not readable, or what is read holds NaN or infinity.
    """
    samples, rate = read_audio(path, start, num_samples)
    check_finite(samples, path)
    return samples, rate


def read_recording_channel(path: PathLike, rate: int, start: int = 0, num_samples: int = -1) -> np.ndarray:
    """Return the first channel ``(sample,)`` at ``rate`` Hz, float32; ``start`` and ``num_samples`` count file samples.

    Raises:
        UserError: as :func:`read_recording`.
    """
    samples, file_rate = read_recording(path, start, num_samples)
    return resample(samples[:, 0], file_rate, rate)


def check_finite(samples: np.ndarray, path: PathLike) -> None:
    """Check ``samples`` of any shape.

    Raises:
        UserError: they hold NaN or infinity.
    """
    if not np.isfinite(samples).all():
        raise UserError(f"{path}: {NOT_FINITE}")

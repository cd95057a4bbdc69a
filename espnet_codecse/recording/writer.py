"""Write estimates as they arrive, at the input's rate and length, atomically."""

import math
import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from espnet_codecse.audio import StreamingResampler, open_audio, to_length
from espnet_codecse.container.extras import write_channel_mask, write_texts
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path
from espnet_codecse.high_band.filter import HighBandFilter
from espnet_codecse.high_band.load import load_network
from espnet_codecse.recording.carried import Carried
from espnet_codecse.recording.formats import AudioFormat
from espnet_codecse.recording.limiter import Limiter
from espnet_codecse.recording.reader import read_block


class RecordingWriter:
    """Writes ``mix * estimate + (1 - mix) * input``; the files appear under their final names when they are complete.

    Integer formats are rounded here. The residual is the input minus the stored output, so their sum is exactly the
    input.

    Args:
        paths: one output per speaker.
        form: format of the outputs.
        rate: sample rate of the outputs, Hz.
        num_channels: channels of each output.
        num_samples: length of each output.
        codec_rate: sample rate of the estimates, Hz.
        recording: the input; it is read if it is mixed in or a residual is written.
        mono: average the input's channels.
        mix: share of the estimate, 0 to 1.
        residual: file for the input minus all outputs.
        carried: tags and channel mask of the outputs.
        full_band: add the input's band above that of the estimates, filtered; for one output.

    Attributes:
        num_limited: samples beyond full scale that were turned down for a format with a limit.
    """

    def __init__(
        self,
        paths: list[Path],
        form: AudioFormat,
        rate: int,
        num_channels: int,
        num_samples: int,
        codec_rate: int,
        recording: Path | None = None,
        mono: bool = False,
        mix: float = 1.0,
        residual: Path | None = None,
        carried: Carried = Carried(),
        full_band: bool = False,
    ):
        self._paths, self._residual = paths, residual
        self._form, self._rate, self._num_channels = form, rate, num_channels
        self._mix, self._mono = mix, mono
        self._carried = carried
        self._recording = recording if mix < 1.0 or residual is not None or full_band else None
        self._high_band = HighBandFilter(load_network(), rate, codec_rate, num_channels) if full_band else None
        self._num_samples, self._num_put = num_samples, 0
        self._limiter = Limiter(rate, form.largest) if form.has_limit else None
        self._resampler = StreamingResampler(codec_rate, rate, len(paths) * num_channels)

    @property
    def num_limited(self) -> int:
        """See the attribute of this name."""
        return 0 if self._limiter is None else self._limiter.num_limited

    def __enter__(self) -> "RecordingWriter":
        with ExitStack() as stack:
            self._dry = None if self._recording is None else stack.enter_context(open_audio(self._recording))
            self._files = [self._open(stack, path) for path in self._paths]
            self._residual_file = None if self._residual is None else self._open(stack, self._residual)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error) -> bool | None:
        return self._stack.__exit__(*error)

    def _open(self, stack: ExitStack, path: Path):
        import soundfile

        temporary = stack.enter_context(atomic_path(path))
        if self._carried.channel_mask:
            stack.callback(write_channel_mask, temporary, self._carried.channel_mask)  # when the file is closed
        form, name = self._form, os.fsencode(temporary)
        file = stack.enter_context(
            soundfile.SoundFile(name, "w", self._rate, self._num_channels, form.subtype, format=form.name)
        )
        write_texts(file, dict(self._carried.texts))
        return file

    def write(self, estimates: np.ndarray) -> None:
        """Append ``estimates (speaker, channel, sample)`` at the codec's rate.

        Raises:
            UserError: they are not finite, or the disk is full.
        """
        if not np.isfinite(estimates).all():
            raise UserError("the model's estimate is not a number; try --dtype float32, or report the recording")
        # A causal system returns no samples at first, so -1 could be any number of channels.
        num_samples = estimates.shape[-1]
        self._put(self._resampler.push(estimates.reshape(math.prod(estimates.shape[:-1]), num_samples).T))

    def finish(self) -> None:
        """Write the remaining samples of the resampler, padded with silence if rounding left them short."""
        width = len(self._paths) * self._num_channels
        self._put(self._resampler.push(np.zeros((0, width), np.float32), last=True))
        self._put(np.zeros((self._num_samples - self._num_put, width), np.float32), last=True)

    def _put(self, estimates: np.ndarray, last: bool = False) -> None:
        """Take ``(sample, speaker * channel)`` at the output's rate, at most up to the recording's length."""
        estimates = estimates[: self._num_samples - self._num_put].astype(np.float64)
        dry = None
        if self._dry is not None:
            assert self._recording is not None  # the source of self._dry
            dry = read_block(self._dry, self._recording, self._num_put, self._mono, "float64", len(estimates))
            dry = to_length(dry.T, len(estimates)).T  # a decoder of mp3 may have skipped samples
        self._num_put += len(estimates)
        if self._high_band is not None:
            assert dry is not None  # read for it
            estimates, dry = self._high_band.push(estimates, dry, last)
        outputs = estimates.reshape(len(estimates), len(self._paths), self._num_channels).transpose(1, 0, 2)
        if dry is not None:
            outputs = self._mix * outputs + (1.0 - self._mix) * dry
        if self._limiter is not None:
            outputs, dry = self._limiter.push(outputs, dry, last)
        self._write_ready(outputs, dry)

    def _write_ready(self, outputs: np.ndarray, dry: np.ndarray | None) -> None:
        """Write ``(speaker, sample, channel)``, and what is left of ``dry (sample, channel)``."""
        outputs = self._stored(outputs)
        for file, path, samples in zip(self._files, self._paths, outputs):
            self._write(file, path, samples)
        if self._residual_file is not None:
            assert self._residual is not None and dry is not None  # the path of that file, and its source
            self._write(self._residual_file, self._residual, self._stored(dry - outputs.sum(0)))

    def _stored(self, samples: np.ndarray) -> np.ndarray:
        """Return ``samples`` as the format stores them, rounded."""
        if not self._form.has_limit:
            return samples.astype(np.float32).astype(np.float64) if self._form.subtype == "FLOAT" else samples
        if self._form.bits is None:
            return samples.clip(-1.0, 1.0)
        steps = 2.0 ** (self._form.bits - 1)
        return np.rint(samples * steps).clip(-steps, steps - 1) / steps

    @staticmethod
    def _write(file, path: Path, samples: np.ndarray) -> None:
        import soundfile

        try:
            file.write(samples)
        except (
            soundfile.SoundFileError,
            RuntimeError,
            AssertionError,
        ):  # soundfile asserts that all samples were written
            raise UserError(f"{path}: cannot be written; is the disk full?") from None

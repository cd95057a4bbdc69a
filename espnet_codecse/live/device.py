"""Microphones and loudspeakers, by PortAudio."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from espnet_codecse.errors import UserError
from espnet_codecse.live.source import Sink, Source


def _sounddevice() -> Any:
    """Import sounddevice.

    Raises:
        UserError: it or PortAudio is not installed.
    """
    try:
        import sounddevice
    except ImportError:
        raise UserError("--input_device, --output_device: need sounddevice; pip install -e '.[live]'") from None
    except OSError as error:  # it finds no PortAudio
        raise UserError(
            f"--input_device, --output_device: {error}; install PortAudio, such as apt-get install libportaudio2"
        ) from None
    return sounddevice


def list_devices() -> str:
    """Return the devices of this machine, one a line.

    Raises:
        UserError: there is no sounddevice or no PortAudio.
    """
    return str(_sounddevice().query_devices()) or "no device"


class _Device:
    """A device that was found, and the rate and channels to open it with.

    Args:
        name: number or part of the name; ``default`` for the system's own.
        kind: ``input`` or ``output``.
        num_channels: channels to use; None: all, at most two.
        sample_rate: preferred rate, Hz; systems that cannot convert to it get the device's own.

    Raises:
        UserError: there is no such device, or it refuses the channels.
    """

    def __init__(self, name: str, kind: str, num_channels: int | None, sample_rate: int):
        self.module, self.kind, self.option = _sounddevice(), kind, f"--{kind}_device {name}"
        self.name = None if name == "default" else int(name) if name.isdecimal() else name
        try:
            found = self.module.query_devices(self.name, kind)
        except (ValueError, self.module.PortAudioError) as error:
            raise UserError(f"{self.option}: {error}; codecse stream --list_devices shows what there is") from None
        self.num_channels = num_channels or min(2, int(found[f"max_{kind}_channels"]))
        rates = dict.fromkeys([sample_rate, int(found["default_samplerate"])])
        errors = [self._error(rate) for rate in rates]
        usable = [rate for rate, error in zip(rates, errors) if error is None]
        if not usable:
            raise UserError(f"{self.option}: refuses {self.num_channels} channel(s): {errors[-1]}")
        self.sample_rate = usable[0]

    def _error(self, rate: int) -> Exception | None:
        check = getattr(self.module, f"check_{self.kind}_settings")
        try:
            check(device=self.name, channels=self.num_channels, dtype="float32", samplerate=rate)
        except (ValueError, self.module.PortAudioError) as error:
            return error
        return None

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Yield the device's running stream.

        Raises:
            UserError: it cannot be opened, or stops.
        """
        stream = self.module.InputStream if self.kind == "input" else self.module.OutputStream
        options = {"device": self.name, "channels": self.num_channels, "samplerate": self.sample_rate}
        try:
            with stream(**options, dtype="float32", latency="low") as running:
                yield running
        except self.module.PortAudioError as error:
            raise UserError(f"{self.option}: {error}; is it in use, or unplugged?") from None


@contextmanager
def open_input(name: str, num_channels: int | None, sample_rate: int) -> Iterator[Source]:
    """Yield a device as a source, which never ends; see :class:`_Device` for the arguments and errors."""
    device = _Device(name, "input", num_channels, sample_rate)
    with device.opened() as stream:

        def read(count: int) -> np.ndarray:
            samples, overflowed = stream.read(count)
            source.num_glitches += bool(overflowed)
            return samples

        source = Source(device.sample_rate, device.num_channels, read)
        yield source


@contextmanager
def open_output(name: str, num_channels: int, sample_rate: int, num_ahead: int) -> Iterator[Sink]:
    """Yield a device as a sink; see :class:`_Device` for the arguments and errors.

    Args:
        num_ahead: samples of silence at ``sample_rate`` that are played first, so that a late frame leaves no gap.
    """
    device = _Device(name, "output", num_channels, sample_rate)
    with device.opened() as stream:

        def write(samples: np.ndarray) -> None:
            underflowed = len(samples) > 0 and stream.write(np.ascontiguousarray(samples.clip(-1, 1), np.float32))
            sink.num_glitches += bool(underflowed)

        sink = Sink(device.sample_rate, write)
        stream.write(np.zeros((round(num_ahead * device.sample_rate / sample_rate), num_channels), np.float32))
        yield sink

"""Numbers as options; argparse puts the name of the option before the message of each."""

import argparse
import math


def natural(text: str) -> int:
    """Parse a whole number of at least 0."""
    return _whole(text, 0)


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    return _whole(text, 1)


def not_negative(text: str) -> float:
    """Parse a number of at least 0."""
    value = _finite(text)
    if value is None or value < 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of at least 0")
    return value


def above_zero(text: str) -> float:
    """Parse a number above 0."""
    value = _finite(text)
    if value is None or value <= 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value


def sample_rate(text: str) -> int:
    """Parse a rate in Hz, also in ESPnet's short form (``16k``)."""
    value = _finite(text.removesuffix("k"))
    rate = 0 if value is None else int(value * (1000 if text.endswith("k") else 1))
    if rate < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a sample rate such as 16000 or 16k")
    return rate


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least {least}")
    return value


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None

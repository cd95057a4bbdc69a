"""The option ``--model_option NAME=VALUE``, shared by the commands that run a model."""

import argparse
from typing import Any


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Add the option; ``args.model_option`` is a list of ``(name, value)``."""
    parser.add_argument(
        "--model_option",
        type=model_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of the model at inference, such as num_steps=10 of a diffusion model; may be repeated",
    )


def model_option(text: str) -> tuple[str, Any]:
    """Parse name and value; the value is a number, true, false or text.

    Raises:
        ValueError: ``text`` is not ``NAME=VALUE``.
    """
    import yaml

    name, value = text.split("=", 1)
    try:
        value = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ValueError(text) from None
    if not name.isidentifier() or not isinstance(value, (int, float, str, bool)):
        raise ValueError(text)
    return name, value

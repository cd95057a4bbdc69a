"""``--model_option NAME=VALUE`` of the commands that run a model."""

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
        help="how the model is run, where it leaves a choice, such as num_steps=10 of a diffusion; repeat it",
    )


def model_option(text: str) -> tuple[str, Any]:
    """Return name and value, which is a number, true, false or text.

    Raises:
        ValueError: no ``NAME=VALUE``.
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

#!/usr/bin/env python3
"""Make initial weights for a codec with more channels from an ``embedding_unet`` trained on one with fewer.

The convolutions are shared along the channels and need no change. The bottleneck sees all bands: it ignores the new
ones at first, and its output for them is that for the highest band it knows.
"""

import argparse
from pathlib import Path

import torch


def with_bands(weights: dict[str, torch.Tensor], num_planes: int, num_new: int) -> dict[str, torch.Tensor]:
    """Return ``weights`` of a separator whose innermost level has ``num_new`` more bands in each of its planes."""
    extended = dict(weights)
    into, out, bias = (f"separator.bottleneck_{name}" for name in ("in.weight", "out.weight", "out.bias"))
    width = len(weights[into])
    bands = weights[into].view(width, num_planes, -1)
    extended[into] = torch.nn.functional.pad(bands, (0, num_new)).flatten(1)
    for name in (out, bias):
        bands = weights[name].view(num_planes, -1, *weights[name].shape[1:])
        highest = bands[:, -1:].expand(-1, num_new, *bands.shape[2:])
        extended[name] = torch.cat([bands, highest], dim=1).flatten(0, 1)
    return extended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="checkpoint of a training or a pack (.pth)")
    parser.add_argument("target", type=Path, help="the new file, for --init_param")
    parser.add_argument("--num_planes", type=int, default=24, help="planes of the innermost level")
    parser.add_argument("--num_bands", type=int, default=8, help="bands to add there: 1 for 8 channels of the codec")
    args = parser.parse_args()
    weights = torch.load(args.source, map_location="cpu")
    torch.save(with_bands(weights, args.num_planes, args.num_bands), args.target)


if __name__ == "__main__":
    main()

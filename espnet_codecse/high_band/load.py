"""The network of the package for the band above 8 kHz."""

from functools import lru_cache
from pathlib import Path

from espnet_codecse.high_band.bands import CROSSOVER
from espnet_codecse.high_band.network import HighBandNetwork
from espnet_codecse.inference.abs_enhancer import AbsEnhancer

WEIGHTS = Path(__file__).parent.parent / "pretrained" / "high_band" / "model.safetensors"


def has_filter(enhancer: AbsEnhancer) -> bool:
    """Return whether the network fits a system: it ends where the upper band begins, and has one speaker to give it."""
    return enhancer.num_spk == 1 and enhancer.sample_rate == 2 * CROSSOVER


@lru_cache(maxsize=1)
def load_network() -> HighBandNetwork:
    """Return the network in evaluation mode."""
    from safetensors.torch import load_file

    network = HighBandNetwork()
    network.load_state_dict(load_file(WEIGHTS))
    return network.eval()

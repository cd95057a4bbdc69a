"""Training of the network of the upper band: minutes on one core, since it sees levels of bands alone."""

import logging
from typing import NamedTuple

import numpy as np
import torch

from espnet_codecse.audio import resample, to_length
from espnet_codecse.corpus.urgent_rules import limit_bandwidth
from espnet_codecse.high_band.bands import RANGE_DB, Bands, Features, decibel
from espnet_codecse.high_band.network import LOOK_AHEAD, HighBandNetwork
from espnet_codecse.high_band.simulate import RATE, Mixtures
from espnet_codecse.inference.abs_enhancer import AbsEnhancer

SCATTER_DB = 60.0**0.5  # between two spectra of noise at the same level


class Examples(NamedTuple):
    """Levels of mixtures, each ``(mixture, frame, ...)`` float32.

    Attributes:
        features: inputs of the network.
        noisy, clean: levels of the high bands in dB, relative to the mixture's reference level.
    """

    features: torch.Tensor
    noisy: torch.Tensor
    clean: torch.Tensor


def make_examples(mixtures: Mixtures, enhancer: AbsEnhancer, number: int, seed: int) -> Examples:
    """Draw mixtures, enhance them and measure their levels."""
    rng, bands = np.random.default_rng(seed), Bands(RATE)
    rows = []
    for index in range(number):
        mixture, clean = mixtures.draw(rng)
        low_rate = enhancer.sample_rate
        narrow = resample(mixture, RATE, low_rate)
        enhanced = enhancer.enhance_batch([narrow])[0][enhancer.layers[0]][0]
        low, enhanced = (to_length(resample(signal, low_rate, RATE), len(mixture)) for signal in (narrow, enhanced))
        signals = np.stack(
            [low, enhanced, mixture - low, clean - limit_bandwidth(clean, RATE, low_rate, "soxr")], axis=1
        )
        low_spectra, enhanced_spectra, high, clean_high = bands.spectra(signals.astype(np.float64))[:, None]
        features, reference = Features(1)(
            bands.low_powers(low_spectra), bands.low_powers(enhanced_spectra), bands.high_powers(high)
        )
        levels = [decibel(bands.high_powers(part))[0] - reference[0, :, None] for part in (high, clean_high)]
        rows.append([features[0], *levels])
        if (index + 1) % 100 == 0:
            logging.info("mixtures: %d/%d", index + 1, number)
    return Examples(*(torch.from_numpy(np.stack(column).astype(np.float32)) for column in zip(*rows)))


def loss(network: HighBandNetwork, examples: Examples) -> torch.Tensor:
    """Return about the log-spectral distance, in dB / 10: levels of bands differ, and bins differ from their band."""
    gains = network(torch.nn.functional.pad(examples.features, (0, 0, 0, LOOK_AHEAD)))[0][:, LOOK_AHEAD:]
    enhanced = examples.noisy + 20.0 * torch.log10(gains)
    floor = torch.full_like(enhanced, -RANGE_DB)
    difference = torch.logaddexp(enhanced, floor) - torch.logaddexp(examples.clean, floor)
    return (difference.square().mean(dim=-1) + SCATTER_DB**2).sqrt().mean() / 10.0


def _band_limited(examples: Examples) -> Examples:
    """Empty the highest bands of some mixtures, as in recordings at 22.05 to 44.1 kHz."""
    num_bands = examples.noisy.shape[-1]
    limits = torch.where(
        torch.rand(len(examples.noisy)) < 0.3, torch.randint(2, num_bands, (len(examples.noisy),)), num_bands
    )
    empty = torch.arange(num_bands) >= limits[:, None, None]
    high = examples.features[..., -num_bands:].masked_fill(empty, -0.5)
    features = torch.cat([examples.features[..., :-num_bands], high], dim=-1)
    nothing = -2.0 * RANGE_DB
    return Examples(features, examples.noisy.masked_fill(empty, nothing), examples.clean.masked_fill(empty, nothing))


def train(
    training: Examples, validation: Examples, num_steps: int, batch_size: int = 32, learning_rate: float = 3.0e-3,
    seed: int = 1,
) -> HighBandNetwork:  # fmt: skip
    """Return the network with the lowest loss on ``validation``, which is measured 20 times."""
    torch.manual_seed(seed)
    network = HighBandNetwork()
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1.0e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, num_steps, pct_start=0.1)
    best, kept = float("inf"), network.state_dict()
    for step in range(1, num_steps + 1):
        chosen = torch.randint(len(training.features), (batch_size,))
        value = loss(network, _band_limited(Examples(*(part[chosen] for part in training))))
        optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        scheduler.step()
        if step % max(1, num_steps // 20) == 0:
            with torch.no_grad():
                score = float(loss(network, validation))
            logging.info("step %d/%d: loss %.4f, valid %.4f", step, num_steps, value.item(), score)
            if score < best:
                best, kept = score, {name: weight.clone() for name, weight in network.state_dict().items()}
    network.load_state_dict(kept)
    return network.eval()

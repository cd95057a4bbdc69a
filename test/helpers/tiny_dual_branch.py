"""Models of a size for tests."""

import torch

from espnet_codecse.dual_branch.adversaries import Schedule
from espnet_codecse.dual_branch.discriminator import SpectrumDiscriminators
from espnet_codecse.dual_branch.generator import DualBranchGenerator
from espnet_codecse.dual_branch.losses import ReconstructionLoss
from espnet_codecse.dual_branch.model import DualBranchModel, ensemble_names

MDCT = {
    "kind": "mdct",
    "sample_rate": 16000,
    "num_channels": 32,
    "widths": [4, 8],
    "strides": [8, 4, 2],
    "power": 0.65,
    "num_refiners": 1,
    "num_codebooks": 3,
    "codebook_size": 16,
    "codebook_dim": 8,
}
DAC = {
    "kind": "dac",
    "encoder_hidden_size": 4,
    "downsampling_ratios": [2, 4, 8],
    "decoder_hidden_size": 16,
    "n_codebooks": 3,
    "codebook_size": 16,
    "codebook_dim": 4,
    "quantizer_dropout": 0.5,
    "sampling_rate": 16000,
}
_UNIT = [{"leaky_relu": 0.3}, {"conv": [8, 8, 3], "stride": 1, "dilation": 3, "groups": 8}]
LYRA = {
    "kind": "lyra",
    "encoder": [
        {"conv": [1, 8, 16], "stride": 8, "dilation": 1, "groups": 1},
        {"residual": _UNIT},
        {"leaky_relu": 0.3},
        {"conv": [8, 12, 16], "stride": 8, "dilation": 1, "groups": 2},
    ],
    "decoder": [
        {"conv": [12, 8, 3], "stride": 1, "dilation": 1, "groups": 1},
        {"upsample": [8, 8, 16], "stride": 8, "groups": 2},
        {"residual": _UNIT},
        {"leaky_relu": 0.3},
        {"upsample": [8, 1, 16], "stride": 8, "groups": 1},
    ],
    "num_codebooks": 3,
    "codebook_size": 16,
    "sample_rate": 16000,
}
ROFORMER = {"width": 16, "num_layers": 1, "num_heads": 2, "ffn_width": 16, "dropout": 0.0}
DISCRIMINATORS = {"n_ffts": [256, 64], "filters": 2, "kernel_size": [3, 3], "dilations": [1, 2]}
SUPERVISED = {
    "clean": 1.0,
    "noisy": 1.0,
    "adversarial_clean": 1.0,
    "adversarial_noise": 1.0,
    "adversarial_noisy": 1.0,
    "feature_matching": 2.0,
    "commitment": 0.25,
    "codebook": 1.0,
}
UNSUPERVISED = {name: weight for name, weight in SUPERVISED.items() if name != "clean"}


def tiny_generator(coder=None, **options) -> DualBranchGenerator:
    torch.manual_seed(0)
    options = {"num_quantizers": 2, "roformer": ROFORMER, **options}
    generator = DualBranchGenerator(coder or MDCT, **options)
    for name, buffer in generator.named_buffers():
        if name.endswith(("codebook", "project_in", "project_out")):  # a fitted quantiser's
            buffer.copy_(torch.randn(buffer.shape) * 0.3)
    return generator


def tiny_model(weights=None, supervised=True, generator=None, schedule=None, **options) -> DualBranchModel:
    generator = generator or tiny_generator()
    weights = SUPERVISED if weights is None else weights
    names = ensemble_names(weights, len(generator.branches) > 1)
    reconstruction = ReconstructionLoss(16000, mel_windows=[256], mel_bins=[20])
    discriminators, counted = SpectrumDiscriminators(names, **DISCRIMINATORS), Schedule(**(schedule or {}))
    return DualBranchModel(
        generator, discriminators, reconstruction, counted, weights, supervised=supervised, **options
    )


def tiny_batch(batch=2, num_samples=2000, supervised=True, prior_samples=(1500, 2600)):
    generator = torch.Generator().manual_seed(1)

    def noise(length: int, level: float) -> torch.Tensor:
        return level * torch.randn(batch, length, generator=generator)

    clean, other = noise(num_samples, 0.1), noise(num_samples, 0.03)
    result = {"speech_mix": clean + other}
    if supervised:
        result.update(speech_ref1=clean, noise_ref1=other)
    else:
        result.update(clean_prior=noise(prior_samples[0], 0.1), noise_prior=noise(prior_samples[1], 0.1))
    result.update({f"{name}_lengths": torch.full((batch,), value.shape[1]) for name, value in result.items()})
    return result

"""Self-supervised features in step with the frames of the causal network."""

import torch

from espnet_codecse.causal.framing import HOP


def align(
    features: torch.Tensor, feature_hop: int, num_frames: int, lead: int = 0, bounded: bool = False
) -> torch.Tensor:
    """Give every frame the newest features that see none of its future.

    The spectrum's frame ``n`` is centred at sample ``n * 320`` and reaches 200 samples further. Features ``k`` of
    wav2vec2 reach to sample ``k * 320 + 400``, a codec's beyond ``(k + 1) * hop``: those of ``k = n - 1`` end within
    the frame, later ones would let the teacher of a causal student look ahead.

    Args:
        features: ``(batch, feature frame, channel)``.
        feature_hop: samples between features.
        num_frames: frames of the spectrum.
        lead: frames of the spectrum before the recording begins.
        bounded: bring features of any scale to that of the network's prediction, which ends in a hyperbolic tangent.

    Returns:
        ``(batch, num_frames, channel)``; the first and the last features are held where there are none.
    """
    centres = (torch.arange(num_frames, device=features.device) - lead) * HOP
    index = torch.div(centres, feature_hop, rounding_mode="floor") - 1
    features = features[:, index.clamp(0, features.shape[1] - 1)]
    return torch.tanh(torch.nn.functional.layer_norm(features, features.shape[2:])) if bounded else features

"""Alignment of self-supervised features with the frames of the causal network."""

import torch


def align(
    features: torch.Tensor, feature_hop: int, num_frames: int, hop: int, lead: int = 0, bounded: bool = False
) -> torch.Tensor:
    """Return, for each frame, the latest features that do not depend on its future.

    Frame ``n`` of a spectrum with the default framing is centred at sample ``n * 320`` and ends 200 samples later.
    Features ``k`` of wav2vec2 depend on samples up to ``k * 320 + 400``, those of a codec on samples beyond
    ``(k + 1) * hop``. Features ``k = n - 1`` end within the frame. With later ones, the teacher of a causal student
    would look ahead.

    Args:
        features: ``(batch, feature frame, channel)``.
        feature_hop: samples between features.
        num_frames: number of frames of the spectrum.
        hop: samples between frames of the spectrum.
        lead: number of frames of the spectrum before the recording starts.
        bounded: scale features of any range to that of the network's prediction, which ends in a hyperbolic tangent.

    Returns:
        ``(batch, num_frames, channel)``; at the ends, the first and the last features are repeated.
    """
    centres = (torch.arange(num_frames, device=features.device) - lead) * hop
    index = torch.div(centres, feature_hop, rounding_mode="floor") - 1
    features = features[:, index.clamp(0, features.shape[1] - 1)]
    return torch.tanh(torch.nn.functional.layer_norm(features, features.shape[2:])) if bounded else features

"""Frozen acoustic features of recordings: a codec's embedding, wav2vec 2.0 and similar models, BEATs."""

from espnet_codecse.features.abs_features import AbsFeatures, hash_of_weights
from espnet_codecse.features.models import PUBLISHED, configured_features, load_features

__all__ = ["PUBLISHED", "AbsFeatures", "configured_features", "hash_of_weights", "load_features"]

"""Frozen acoustic features of recordings: a codec's embedding, wav2vec 2.0 and its kin, BEATs."""

from espnet_codecse.features.models import AbsFeatures, configured_features, fingerprint_of, load_features

__all__ = ["AbsFeatures", "configured_features", "fingerprint_of", "load_features"]

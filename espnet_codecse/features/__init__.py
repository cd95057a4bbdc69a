"""Frozen acoustic features of recordings: a codec's embedding, wav2vec 2.0 and its kin, BEATs."""

from typing import Any, Mapping, Optional

from espnet_codecse.fuse.features import AbsFeatures, load_features

__all__ = ["AbsFeatures", "load_features", "source_of"]


def source_of(conf: Optional[Mapping[str, Any]], codec: Optional[str]) -> str:
    """Return what :func:`load_features` takes for ``kind`` and ``model`` of a configuration.

    Args:
        conf: with ``kind`` and, for other kinds than ``codec``, ``model``.
        codec: the training's ``--codec``.
    """
    conf = conf or {}
    kind = conf.get("kind", "codec")
    return f"{kind}:{codec if kind == 'codec' else conf.get('model')}"

"""Codec embeddings on disk: extraction to arks, reading back, statistics."""

from espnet_codecse.embedding.description import EmbeddingDescription, check_codec, read_description
from espnet_codecse.embedding.store import EmbeddingReader

__all__ = ["EmbeddingDescription", "EmbeddingReader", "check_codec", "read_description"]

"""Separators that work on codec embeddings, one a file."""

"""Causal enhancement for devices, with and without self-supervised features (arXiv 2403.01369)."""

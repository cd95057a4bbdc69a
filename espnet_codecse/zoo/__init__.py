"""Packed models: written, verified, found, loaded and published. Nothing that a pack holds is trusted."""

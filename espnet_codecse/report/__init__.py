"""RESULTS.md and figures; imports neither torch nor espnet."""

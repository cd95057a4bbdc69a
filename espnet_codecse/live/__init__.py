"""Streams of samples from devices, pipes and files through causal models."""

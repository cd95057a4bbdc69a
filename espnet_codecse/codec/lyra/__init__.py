"""Lyra V2, Google's causal speech codec, read from its published TensorFlow Lite files."""

"""Lyra V2, Google's causal speech codec, loaded from its published TensorFlow Lite files."""

"""Decoders for ESPnet's enhancement task."""

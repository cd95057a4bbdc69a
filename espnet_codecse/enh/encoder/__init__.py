"""Encoders for ESPnet's enhancement task."""

"""Losses for ESPnet's enhancement task."""

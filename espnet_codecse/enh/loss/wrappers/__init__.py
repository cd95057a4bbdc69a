"""Loss wrappers for ESPnet's enhancement task."""

"""Criterions for ESPnet's enhancement task, one per file."""

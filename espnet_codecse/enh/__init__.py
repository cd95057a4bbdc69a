"""Embedding-domain enhancement and separation as ESPnet encoder, decoder, separators, criterion and model."""

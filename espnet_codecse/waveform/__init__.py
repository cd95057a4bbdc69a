"""Inference with ESPnet's networks on waveforms, the baselines of systems on embeddings."""

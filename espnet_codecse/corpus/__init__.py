"""Corpora as Kaldi-style data directories: mixing, reverberation, synthesis and checks; knows no model."""

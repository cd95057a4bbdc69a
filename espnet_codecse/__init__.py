"""Speech enhancement and separation in the embedding space of neural audio codecs."""

__version__ = "0.1.0"

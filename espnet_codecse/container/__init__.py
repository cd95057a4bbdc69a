"""Where the samples lie in audio files whose headers do not say it, or say it wrongly."""

"""Speech and noise in two branches of one codec: supervised and unsupervised enhancement (Klement & Burget, 2025)."""

"""Supervised and unsupervised enhancement with a codec and two branches, speech and noise (Klement & Burget, 2025)."""

"""Supervised and unsupervised enhancement with one codec and two branches, speech and noise (Klement & Burget, 2025)."""

"""The small codec: a lapped transform plus learned convolutions, 16 kHz, 50 frames per second, 256 channels."""

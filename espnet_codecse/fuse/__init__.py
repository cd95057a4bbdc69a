"""FUSE: diffusion in the latent space of a VAE on spectrograms, guided by features of a pre-trained model."""

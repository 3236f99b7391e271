"""Encoders from input to latent."""

"""The pack's own small checkpoint and everything that depends on it: weights, autoencoder, loader, sample layouts."""

SIDES = {"unet": 160, "transformer": 128}
"""Of the pictures that each network was trained on, in pixels."""

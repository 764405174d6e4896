"""The pack's own small checkpoint and everything that depends on it: weights, autoencoder, loader, sample layouts."""

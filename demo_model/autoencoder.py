"""The demo model's autoencoder: small, without norms, pixels in -1..1 to latents at a quarter of their size."""

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(F.relu(self.a(F.relu(x))))


class Autoencoder(nn.Module):
    """Deterministic: `encode` gives the latent itself, already scaled so that SD1.x's latent format fits."""

    factor = 4

    def __init__(self, encoder_width: int, decoder_width: int, full_width: int, latent_channels: int):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, encoder_width, 3, padding=1),
            ResidualBlock(encoder_width),
            ResidualBlock(encoder_width),
            nn.ReLU(),
            nn.Conv2d(encoder_width, latent_channels, 3, padding=1),
        )
        self.enc_skip = nn.Conv2d(3, latent_channels, 1)
        self.quant = nn.Conv2d(latent_channels, latent_channels, 1)
        self.post_quant = nn.Conv2d(latent_channels, latent_channels, 1)
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, decoder_width, 3, padding=1),
            ResidualBlock(decoder_width),
            ResidualBlock(decoder_width),
            nn.ReLU(),
            nn.Conv2d(decoder_width, full_width * 4, 3, padding=1),
            nn.PixelShuffle(2),
            ResidualBlock(full_width),
            ResidualBlock(full_width),
            nn.ReLU(),
            nn.Conv2d(full_width, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )
        self.dec_skip = nn.Conv2d(latent_channels, 3, 1)

    def encode(self, pixels: Tensor) -> Tensor:
        """`[B, 3, H, W]` in -1..1 to `[B, 4, H / 4, W / 4]`."""
        return self.quant(self.encoder(pixels) + self.enc_skip(F.avg_pool2d(pixels, 4)))

    def decode(self, latent: Tensor, **unused) -> Tensor:
        """`[B, 4, h, w]` to `[B, 3, 4 h, 4 w]` around -1..1."""
        z = self.post_quant(latent)
        return self.decoder(z) + F.interpolate(self.dec_skip(z), scale_factor=4.0, mode="bilinear")

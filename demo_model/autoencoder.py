"""The demo model's autoencoder: 8x8 pixels become one latent pixel of 4 channels. Pure torch, no norms.

At these widths normalisation costs more than it gives (about 10 dB), so residual blocks start near the identity instead.
"""

import torch
from torch import nn
from torch.nn import functional as F

SCALE = 0.18215  # SD1.x's latent scale factor


class ResidualBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a = nn.Conv2d(width, width, 3, padding=1)
        self.b = nn.Conv2d(width, width, 3, padding=1)
        nn.init.normal_(self.b.weight, std=1e-3)
        nn.init.zeros_(self.b.bias)

    def forward(self, x):
        return x + self.b(F.relu(self.a(F.relu(x))))


class Autoencoder(nn.Module):
    """encode: pixels [B, 3, H, W] in -1..1 -> latent [B, 4, H/8, W/8]; decode: the way back. H and W are multiples of 8.

    `latent_mean` and `latent_scale` give the latent of the training pictures zero mean and the deviation that
    SD1.x's scale factor 0.18215 turns into one.
    """

    factor = 8

    def __init__(
        self, encoder_width=(64, 128), decoder_width=(128, 80, 32), encoder_blocks=(2, 2), decoder_blocks=(4, 3, 1), latent_channels=4
    ):
        super().__init__()
        e4, e8 = encoder_width
        d8, d4, d2 = decoder_width

        def stack(width, count):
            return [ResidualBlock(width) for _ in range(count)]

        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, e4, 3, padding=1),
            *stack(e4, encoder_blocks[0]),
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * e4, e8, 1),
            *stack(e8, encoder_blocks[1]),
            nn.ReLU(),
            nn.Conv2d(e8, latent_channels, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, d8, 3, padding=1),
            *stack(d8, decoder_blocks[0]),
            nn.ReLU(),
            nn.Conv2d(d8, 4 * d4, 3, padding=1),
            nn.PixelShuffle(2),
            *stack(d4, decoder_blocks[1]),
            nn.ReLU(),
            nn.Conv2d(d4, 4 * d2, 3, padding=1),
            nn.PixelShuffle(2),
            *stack(d2, decoder_blocks[2]),
            nn.ReLU(),
            nn.Conv2d(d2, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )
        self.encoder_skip = nn.Conv2d(3, latent_channels, 1)
        self.decoder_skip = nn.Conv2d(latent_channels, 3, 1)
        self.register_buffer("latent_mean", torch.zeros(latent_channels))
        self.register_buffer("latent_scale", torch.ones(latent_channels))
        self._start_as_mean_colour()

    def _start_as_mean_colour(self):
        """Three latent channels start as the patch's mean colour, so that early latents are pictures already."""
        with torch.no_grad():
            for skip, gain in ((self.encoder_skip, 1.5), (self.decoder_skip, 1 / 1.5)):
                skip.weight.zero_()
                skip.bias.zero_()
                for channel in range(3):
                    skip.weight[channel, channel] = gain
            self.encoder[-1].weight[:3] *= 0.1
            self.decoder[-2].weight *= 0.3

    def encode(self, pixels):
        """Raises ValueError for pictures of less than a latent pixel, which the host cuts down to nothing."""
        if min(pixels.shape[-2:]) < self.factor:
            raise ValueError(f"images must be {self.factor} x {self.factor} pixels or more, got smaller ones")
        latent = self.encoder(pixels) + self.encoder_skip(F.avg_pool2d(pixels, self.factor))
        return (latent - self.latent_mean[:, None, None]) * self.latent_scale[:, None, None]

    def decode(self, latent, **unused):
        """Raises ValueError for a latent of another kind, a video's or another model's."""
        channels = len(self.latent_mean)
        if latent.ndim != 4 or latent.shape[1] != channels:
            raise ValueError(f"latent must be pictures of {channels} channels [B, {channels}, H, W], got {list(latent.shape)}")
        latent = latent / self.latent_scale[:, None, None] + self.latent_mean[:, None, None]
        colours = F.interpolate(self.decoder_skip(latent), scale_factor=float(self.factor), mode="bilinear")
        return self.decoder(latent) + colours

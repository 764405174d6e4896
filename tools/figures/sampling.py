"""Mixes of many pairs at once, through the pack's own nodes on the demo checkpoint."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from inprocess import load_pack, node_runner, start_host
from PIL import Image
from torch import Tensor

from demo_model import SIDES

STEPS, GUIDANCE = 20, 4.0
SIDE = SIDES["unet"]
SAMPLING = {"seed": 1, "steps": STEPS, "cfg": GUIDANCE, "sampler_name": "euler", "scheduler": "ddim_uniform"}


@dataclass(frozen=True)
class Row:
    """One layout picture, its concept, the content's concept; equal rows differ in their noise."""

    picture: Path
    layout: str
    content: str


class Sampler:
    """Every method answers with pictures `[rows, 3, SIDE, SIDE]` in 0..1."""

    def __init__(self, rows: list[Row]):
        start_host("--cpu")
        load_pack()
        self.run = node_runner()
        self.model, self.clip, self.vae = self.run("MagicMixDemoCheckpoint")
        self.layouts = torch.stack([self._load(row.picture) for row in rows])
        (latent,) = self.run("VAEEncode", vae=self.vae, pixels=self.layouts.movedim(1, -1))
        (self.layout,) = self.run("MagicMixLayoutNoise", latent=latent, seed=1, noise="shared")
        self.content, self.first = (
            self._encode([f"a {name}" for name in names]) for names in zip(*((row.content, row.layout) for row in rows), strict=True)
        )
        self.nothing = self._encode([""])

    def mix(self, nu: float | Tensor, k_max: float = 0.6, k_min: float = 0.3) -> Tensor:
        """With one nu for all, or one for each row `[rows]`."""
        inputs = {"model": self.model, "positive": self.content, "negative": self.nothing, "layout": self.layout}
        weights = {"nu": nu} if isinstance(nu, float) else {"nu": 1.0, "nu_map": nu.reshape(-1, 1, 1)}
        return self._decode(self.run("MagicMixKSampler", **inputs, **SAMPLING, **weights, k_max=k_max, k_min=k_min)[0])

    def average(self, share: float) -> Tensor:
        """Prompt interpolation: the two prompts' encodings averaged, sampled from noise."""
        (between,) = self.run(
            "ConditioningAverage", conditioning_to=self.content, conditioning_from=self.first, conditioning_to_strength=share
        )
        empty = {"samples": torch.zeros_like(self.layout.samples)}
        inputs = {"model": self.model, "positive": between, "negative": self.nothing, "latent_image": empty, "denoise": 1.0}
        return self._decode(self.run("KSampler", **inputs, **SAMPLING)[0])

    def sheet(self, pictures: Tensor, labels: list[str]) -> Image.Image:
        """`pictures` `[values, rows, 3, H, W]`, a row of the sheet for each row, its values from left to right."""
        cells = pictures.transpose(0, 1).flatten(0, 1).movedim(1, -1)
        (sheet,) = self.run("ContactSheet", images=[cells], labels=labels * pictures.shape[1], columns=[len(labels)])
        return Image.fromarray((sheet[0].numpy() * 255).round().astype(np.uint8))

    def _load(self, file: Path) -> Tensor:
        picture = Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.asarray(picture) / 255).float().movedim(-1, 0)

    def _encode(self, texts: list[str]) -> list:
        """One conditioning whose rows are the texts, one for each row of the batch."""
        encoded = [self.run("CLIPTextEncode", clip=self.clip, text=text)[0][0] for text in texts]
        return [
            [
                torch.cat([cond for cond, _ in encoded]),
                encoded[0][1] | {"pooled_output": torch.cat([more["pooled_output"] for _, more in encoded])},
            ]
        ]

    def _decode(self, latent: dict) -> Tensor:
        return self.run("VAEDecode", vae=self.vae, samples=latent)[0].movedim(-1, 1).clamp(0, 1)

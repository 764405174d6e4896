"""Whether a call of the network fits into memory, reckoned as the host does."""

import comfy.model_management
import torch

MARGIN = 1.5
"""Half as much again, as the host reckons for its own rows."""


def fits(model, shape: list[int], device: torch.device) -> bool:
    """Whether latents of this `shape` `[B, C, H, W]` fit, for the `model` inside a MODEL."""
    return model.memory_required(shape) * MARGIN < comfy.model_management.get_free_memory(device)

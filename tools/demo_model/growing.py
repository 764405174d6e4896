"""Weights of a smaller model as the start of a larger one, which computes nearly the same: channels copied, new layers that do nothing yet.

Copied channels stand beside their originals, so that group norms and attention heads see the same numbers as before
(Net2Net, arXiv 1511.05641). Only where a doubled and an undoubled map are joined do the groups of a norm shift.
"""

import torch

from autoencoder import Autoencoder
from text_encoder import TextEncoder


def copies(old, new):
    """Which old channel each of the new ones copies, int64 [new]."""
    if new % old:
        raise ValueError(f"{old} channels cannot become {new}: not a multiple")
    return torch.arange(old).repeat_interleave(new // old)


def joined(old_parts, new_parts):
    """copies() of maps that are joined."""
    starts = [sum(old_parts[:n]) for n in range(len(old_parts))]
    return torch.cat([start + copies(old, new) for start, old, new in zip(starts, old_parts, new_parts, strict=True)])


def widths(config):
    """(channels that each output block gets from below, channels of its skip) of a UNet's configuration."""
    base, levels = config["model_channels"], list(zip(config["channel_mult"], config["num_res_blocks"], strict=True))
    skips = [base]
    for number, (multiplier, blocks) in enumerate(levels):
        skips += [base * multiplier] * (blocks + (number < len(levels) - 1))
    below, now = [], base * levels[-1][0]
    for multiplier, blocks in reversed(levels):
        for _ in range(blocks + 1):
            below.append(now)
            now = base * multiplier
    return below, skips[::-1]


def widened(old, shape, inputs=None):
    """A weight [out, in, ...] or bias [out] with more channels; `inputs` are the old channels of its inputs, where those were joined."""
    new = old
    if old.ndim == 1:
        return old[copies(len(old), shape[0]) if inputs is None else inputs]
    if old.shape[1] != shape[1]:
        inputs = copies(old.shape[1], shape[1]) if inputs is None else inputs
        shares = 1 / torch.bincount(inputs, minlength=old.shape[1])[inputs]
        new = new[:, inputs] * shares.view(1, -1, *[1] * (old.ndim - 2))
    return new[copies(old.shape[0], shape[0])]


@torch.no_grad()
def grow_unet(unet, config, old, old_config, noise):
    """Fills `unet` (network.build and network.initialise) of `config` from the weights `old` of a smaller one.

    `noise`, in units of each weight's deviation, goes onto what was copied, so that copies part.
    """
    below, skips = widths(config)
    old_below, old_skips = widths(old_config)
    state = unet.state_dict()
    for key, target in state.items():
        parts = key.split(".")
        if key not in old:
            if "skip_connection" in key:  # a block that kept its width: what passed it by still does
                kept = min(target.shape[:2]) if target.ndim > 1 else 0
                value = widened(torch.eye(kept)[..., None, None], target.shape) if kept else torch.zeros_like(target)
                target.copy_(value)
            elif "proj_out" in key:
                target.zero_()  # a transformer that was not there
            continue
        if target.shape == old[key].shape:
            target.copy_(old[key])
            continue
        reads = parts[0] == "output_blocks" and parts[2] == "0" and parts[3] in ("in_layers", "skip_connection")
        on_inputs = old[key].ndim > 1 or parts[3:5] == ["in_layers", "0"]
        number = int(parts[1]) if reads else 0
        inputs = joined((old_below[number], old_skips[number]), (below[number], skips[number])) if reads and on_inputs else None
        value = widened(old[key], target.shape, inputs)
        if key.endswith("to_q.weight"):
            value = value / (target.shape[0] / old[key].shape[0]) ** 0.5  # the host divides by the root of a head's width
        target.copy_(value + noise * value.std() * torch.randn_like(value) if value.ndim > 1 else value)
    unet.load_state_dict(state)


def steps_of(sequence):
    """Modules by (how many other layers came before, place among the residual blocks in a row)."""
    found, stage, place = {}, 0, 0
    for module in sequence:
        if type(module).__name__ == "ResidualBlock":
            place += 1
        else:
            stage, place = stage + 1, 0
        found[stage, place] = module
    return found


@torch.no_grad()
def grow_autoencoder(model, old, old_config):
    """Fills an Autoencoder from the weights of one with fewer residual blocks; those it has more of start near the identity."""
    smaller = Autoencoder(**{key: value for key, value in old_config.items() if key != "factor"})
    smaller.load_state_dict(old)
    for side in ("encoder", "decoder"):
        theirs, ours = steps_of(getattr(smaller, side)), steps_of(getattr(model, side))
        for place, module in theirs.items():
            ours[place].load_state_dict(module.state_dict())
        getattr(model, f"{side}_skip").load_state_dict(getattr(smaller, f"{side}_skip").state_dict())
    model.latent_mean.copy_(smaller.latent_mean)
    model.latent_scale.copy_(smaller.latent_scale)


@torch.no_grad()
def grow_text_encoder(text: TextEncoder, old):
    """Fills a text encoder from the weights of one with fewer layers and other words; layers it has more of do nothing yet."""
    text.adopt(old)
    for number, layer in enumerate(text.text_model["encoder"]["layers"]):
        if f"text_model.encoder.layers.{number}.mlp.fc2.weight" not in old:
            for part in (layer.self_attn.out_proj, layer.mlp.fc2):
                part.weight.zero_()
                part.bias.zero_()

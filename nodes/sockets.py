"""Inputs and types that several nodes share."""

from comfy_api.latest import io

from .host.samplers import SAMPLERS, SCHEDULERS

Layout = io.Custom("MAGICMIX_LAYOUT")
MAX_SEED = 0xFFFFFFFFFFFFFFFF


def seed_input(tooltip: str) -> io.Input:
    return io.Int.Input("seed", default=0, min=0, max=MAX_SEED, control_after_generate=True, tooltip=tooltip)


def steps_input(tooltip: str) -> io.Input:
    return io.Int.Input("steps", default=50, min=1, max=10000, tooltip=tooltip)


def guidance_input(name: str, default: float, tooltip: str) -> io.Input:
    return io.Float.Input(name, default=default, min=0.0, max=100.0, step=0.1, round=0.01, tooltip=tooltip)


def cfg_input() -> io.Input:
    return guidance_input("cfg", 7.5, "Guidance scale: how closely the picture follows the prompt.")


def sampler_input(tooltip: str) -> io.Input:
    return io.Combo.Input("sampler_name", options=list(SAMPLERS), default="euler", tooltip=tooltip)


def scheduler_input() -> io.Input:
    tooltip = "How the steps are spread over the noise levels; ddim_uniform is the paper's."
    return io.Combo.Input("scheduler", options=list(SCHEDULERS), default="ddim_uniform", tooltip=tooltip)


def clip_input() -> io.Input:
    return io.Clip.Input("clip", tooltip="The text encoder that belongs to the model.")


def model_to_patch_input() -> io.Input:
    return io.Model.Input("model", tooltip="The model to draw with. Connect the output model, not this one, to the sampler.")


def fraction_input(name: str, default: float, tooltip: str) -> io.Input:
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.01, tooltip=tooltip)


def share_of_steps_input(name: str, default: float, tooltip: str) -> io.Input:
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.05, tooltip=tooltip)

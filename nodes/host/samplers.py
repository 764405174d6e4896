"""The host's SAMPLER type: one that mixes a layout in, one that records its path, one that runs upwards."""

from functools import partial

import comfy.samplers
import torch
from torch import Tensor

from ...magicmix_core.inversion import invert
from ...magicmix_core.mixing import Window, sample_mixed
from ...magicmix_core.nu import BlendedNu, Nu
from ...magicmix_core.recording import sample_recorded
from ..checks import check_batch, check_range, check_window
from .edits import KEY
from .layouts import Layout
from .node_text import notes_of

SAMPLERS = comfy.samplers.SAMPLER_NAMES
SCHEDULERS = comfy.samplers.SCHEDULER_NAMES
BLEND = "magicmix_blend"
"""The entry of a run's transformer_options that says where its picture may change: `blend(latent)`, a mask or None."""
plain_sampler = comfy.samplers.sampler_object


class MixingSampler(comfy.samplers.KSAMPLER):
    """A SAMPLER that runs `base` from the layout at K_max, mixed with the layout down to K_min (MagicMix, arXiv 2210.16056)."""

    def __init__(self, base, layout: Layout, nu: Nu, k_max: float, k_min: float, restore_variance: bool = False):
        """Raises ValueError naming the wrong input: a sampler without steps to mix between, k_min above k_max."""
        check_window(k_max, k_min)
        if isinstance(base, MixingSampler):
            raise ValueError("sampler must be a plain one, got one that already mixes a layout")
        if not isinstance(base, comfy.samplers.KSAMPLER):
            raise ValueError(f"sampler must work step by step, as those of KSamplerSelect do; got {type(base).__name__}")
        super().__init__(self.sample_steps, inpaint_options=base.inpaint_options)
        self.base = partial(base.sampler_function, **base.extra_options)
        self.layout, self.nu, self.k_max, self.k_min, self.restore_variance = layout, nu, k_max, k_min, restore_variance

    def window(self, model_sampling) -> Window:
        """K counts on the training-timestep axis, so that every scheduler means the same by it."""
        return Window(model_sampling.percent_to_sigma(1 - self.k_max), model_sampling.percent_to_sigma(1 - self.k_min))

    def sample(self, model_wrap, sigmas, extra_args, *args, **kwargs):
        """As the host calls it, but with the executed sigmas only: they count the progress bar's steps."""
        window = self.window(model_wrap.inner_model.model_sampling)
        sigmas = window.executed(sigmas)
        options = extra_args["model_options"]["transformer_options"]
        if self.k_max > self.k_min and not self.nu.keeps_content and window.mixed_steps(sigmas) == 0:
            notes_of(options).add(
                f"no step lies between k_max {self.k_max:g} and k_min {self.k_min:g}, so nothing is mixed: take more steps or a wider window"
            )
        edited = any(KEY in conditioning for conditionings in model_wrap.conds.values() for conditioning in conditionings)
        if edited and not model_wrap.model_patcher.get_attachment(KEY):
            notes_of(options).add(
                "the conditioning carries an edit that the model does not, so nothing is edited: connect the edit's model too"
            )
        options["sample_sigmas"] = sigmas
        return super().sample(model_wrap, sigmas, extra_args, *args, **kwargs)

    def sample_steps(self, model, x, sigmas, extra_args=None, callback=None, disable=None):
        """The k-diffusion-style function; `x` gives size, dtype and device only, the layout gives the start."""
        model_wrap = model.inner_model
        model_sampling = model_wrap.inner_model.model_sampling

        def noising(sigma: Tensor, eps: Tensor, x0: Tensor) -> Tensor:
            return model_sampling.noise_scaling(sigma, eps, x0, self.max_denoise(model_wrap, [sigma]))

        check_batch("nu_map", self.nu.start.shape[0], x.shape[0])
        blend = extra_args["model_options"]["transformer_options"].get(BLEND)
        return sample_mixed(
            self.base,
            model,
            self.layout.path(model_wrap.inner_model, noising, like=x),
            sigmas,
            self.window(model_sampling),
            self.nu if blend is None else BlendedNu(self.nu, blend),
            restore=noising if self.restore_variance else None,
            extra_args=extra_args,
            callback=callback,
            disable=disable,
        )


class RecordingSampler(comfy.samplers.KSAMPLER):
    """A SAMPLER that does what `base` does and keeps the path: `sigmas` `[n + 1]` and `latents` `[n + 1, B, C, H, W]` after a run."""

    def __init__(self, base):
        super().__init__(self.sample_steps, inpaint_options=base.inpaint_options)
        self.base = partial(base.sampler_function, **base.extra_options)

    def sample_steps(self, model, x, sigmas, extra_args=None, callback=None, disable=None):
        options = {"extra_args": extra_args, "callback": callback, "disable": disable}
        result, self.sigmas, self.latents = sample_recorded(self.base, model, x, sigmas, **options)
        return result


class InvertingSampler(comfy.samplers.Sampler):
    """A SAMPLER that goes from the latent image up to its noise; keeps `latents` `[n + 1, B, C, H, W]`, noise first."""

    def __init__(self, refinements: int):
        self.refinements = refinements

    def sample(self, model_wrap, sigmas, extra_args, callback, noise, latent_image=None, denoise_mask=None, disable_pbar=False):
        def report(info: dict) -> None:
            if callback is not None:
                callback(info["i"], info["denoised"], info["x"], len(sigmas) - 1)

        self.latents = invert(model_wrap, latent_image, sigmas, self.refinements, extra_args=extra_args, callback=report)
        return self.latents[0].to(latent_image)


def sigmas_of(model, sampler_name: str, scheduler: str, steps: int) -> Tensor:
    """`[steps + 1]` noise levels as the core KSampler takes them for this sampler (some drop the last but one)."""
    return comfy.samplers.KSampler(model, steps, model.load_device, sampler_name, scheduler).sigmas


def make_nu(nu: float, schedule: str, nu_map: Tensor | None, latent_size: torch.Size) -> Nu:
    """nu over a window, for latents whose last two lengths are `latent_size`; a map `[b, H, W]` of any size replaces `nu`.

    Raises ValueError naming `nu_map`.
    """
    if nu_map is None:
        return Nu(torch.full((1, 1, 1, 1), nu), schedule)
    rows = nu_map.reshape(-1, 1, *nu_map.shape[-2:]).float()
    for bound in torch.aminmax(rows):
        check_range("nu_map", float(bound), 0, 1)
    scaled = torch.nn.functional.interpolate(rows, latent_size, mode="bilinear", antialias=True)
    # Clamped, since interpolating leaves a constant map constant only up to rounding.
    return Nu(scaled.clamp(rows.amin((2, 3), True), rows.amax((2, 3), True)), schedule)

"""The one place that touches ComfyUI's internals: when the host moves, this file follows."""

import logging
from dataclasses import dataclass
from functools import partial

import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from torch import Tensor

from ..magicmix_core.layout import ImageLayout, LayoutPath, Noising, independent_noise, shared_noise
from ..magicmix_core.mixing import Window, sample_mixed
from ..magicmix_core.nu import Nu
from .checks import check_batch, check_choice, check_finite, check_layout_fits, check_range, check_window

SAMPLERS = comfy.samplers.SAMPLER_NAMES
SCHEDULERS = comfy.samplers.SCHEDULER_NAMES
plain_sampler = comfy.samplers.sampler_object
NOISES = {"shared": shared_noise, "independent": independent_noise}


@dataclass(frozen=True)
class LatentLayout:
    """What a MAGICMIX_LAYOUT socket carries: a LATENT and how noise is laid over it. The model joins in when sampling."""

    latent: dict
    seed: int
    noise: str

    def __post_init__(self):
        check_choice("noise", self.noise, NOISES)
        check_finite("latent", self.latent["samples"])

    @property
    def samples(self) -> Tensor:
        """`[b, C, H, W]`, as the VAE encoded it."""
        return self.latent["samples"]

    def draw(self, seed: int) -> Tensor:
        """Unit noise `[b, C, H, W]` as the host's own KSampler draws it, so that rows of a batch keep their noise when alone."""
        return comfy.sample.prepare_noise(self.samples, seed, self.latent.get("batch_index"))

    def path(self, model, noising: Noising, like: Tensor) -> LayoutPath:
        """The layout's path for `model` (a BaseModel), spread over the batch of `like` `[B, C, H, W]`."""
        check_layout_fits(self.samples, like.shape)

        def spread(rows: Tensor) -> Tensor:
            return comfy.utils.repeat_to_batch_size(rows.to(like), like.shape[0])

        x0 = spread(self.samples)
        if torch.count_nonzero(x0) > 0:  # the host does not shift an empty latent either
            x0 = model.process_latent_in(x0)
        return ImageLayout(x0, NOISES[self.noise](lambda seed: spread(self.draw(seed)), self.seed), noising)


class MixingSampler(comfy.samplers.KSAMPLER):
    """A SAMPLER that runs `base` from the layout at K_max, mixed with the layout down to K_min (MagicMix, arXiv 2210.16056)."""

    def __init__(self, base, layout: LatentLayout, nu: Nu, k_max: float, k_min: float, restore_variance: bool = False):
        """Raises ValueError naming the wrong input: a sampler without steps to mix between, K outside [0, 1], k_min above k_max."""
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
        if self.k_max > self.k_min and not self.nu.keeps_content and window.mixed_steps(sigmas) == 0:
            logging.warning(
                "MagicMix: no step lies between k_max %g and k_min %g, so nothing is mixed; take more steps or a wider window",
                self.k_max,
                self.k_min,
            )
        extra_args["model_options"]["transformer_options"]["sample_sigmas"] = sigmas
        return super().sample(model_wrap, sigmas, extra_args, *args, **kwargs)

    def sample_steps(self, model, x, sigmas, extra_args=None, callback=None, disable=None):
        """The k-diffusion-style function; `x` gives size, dtype and device only, the layout gives the start."""
        model_wrap = model.inner_model
        model_sampling = model_wrap.inner_model.model_sampling

        def noising(sigma: Tensor, eps: Tensor, x0: Tensor) -> Tensor:
            return model_sampling.noise_scaling(sigma, eps, x0, self.max_denoise(model_wrap, [sigma]))

        check_batch("nu_map", self.nu.start.shape[0], x.shape[0])
        return sample_mixed(
            self.base,
            model,
            self.layout.path(model_wrap.inner_model, noising, like=x),
            sigmas,
            self.window(model_sampling),
            self.nu,
            restore=noising if self.restore_variance else None,
            extra_args=extra_args,
            callback=callback,
            disable=disable,
        )


def make_nu(nu: float, schedule: str, nu_map: Tensor | None, latent_size: torch.Size) -> Nu:
    """nu over a window, for latents whose last two lengths are `latent_size`; a map `[b, H, W]` of any size replaces `nu`.

    Raises ValueError naming `nu`, `nu_map` or `nu_schedule`.
    """
    check_range("nu", nu, 0, 1)
    if nu_map is None:
        return Nu(torch.full((1, 1, 1, 1), nu), schedule)
    rows = nu_map.reshape(-1, 1, *nu_map.shape[-2:]).float()
    for bound in torch.aminmax(rows):
        check_range("nu_map", float(bound), 0, 1)
    scaled = torch.nn.functional.interpolate(rows, latent_size, mode="bilinear", antialias=True)
    # Clamped, since interpolating leaves a constant map constant only up to rounding.
    return Nu(scaled.clamp(rows.amin((2, 3), True), rows.amax((2, 3), True)), schedule)


def sigmas_of(model, sampler_name: str, scheduler: str, steps: int) -> Tensor:
    """`[steps + 1]` noise levels as the core KSampler takes them for this sampler (some drop the last but one)."""
    return comfy.samplers.KSampler(model, steps, model.load_device, sampler_name, scheduler).sigmas


def sample_layout(model, sampler: MixingSampler, sigmas: Tensor, seed: int, cfg: float, positive: list, negative: list) -> dict:
    """Run `sampler` over the `sigmas` it needs with classifier-free guidance `cfg`; returns a LATENT of the layout's size.

    The batch is the layout's, or one row for each row of nu. Raises ValueError for a layout of another model family.
    """
    layout, nu_rows = sampler.layout, sampler.nu.start.shape[0]
    batch = max(layout.samples.shape[0], nu_rows)
    channels = model.get_model_object("latent_format").latent_channels
    check_layout_fits(layout.samples, torch.Size([batch, channels, *layout.samples.shape[2:]]))
    check_batch("nu_map", nu_rows, batch)

    sigmas = sampler.window(model.get_model_object("model_sampling")).executed(sigmas)
    samples = comfy.sample.sample_custom(
        model,
        comfy.utils.repeat_to_batch_size(layout.draw(layout.seed), batch),
        cfg,
        sampler,
        sigmas,
        positive,
        negative,
        comfy.utils.repeat_to_batch_size(layout.samples, batch),
        noise_mask=layout.latent.get("noise_mask"),
        callback=latent_preview.prepare_callback(model, len(sigmas) - 1),
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=seed,
    )
    return layout.latent | {"samples": samples}

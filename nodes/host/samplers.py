"""The host's SAMPLER type: one that mixes a layout in, one that records its path, one that runs upwards."""

from collections.abc import Callable
from functools import partial

import comfy.samplers
import torch
from torch import Tensor

from ...magicmix_core.checks import check_batch, check_finite, check_window
from ...magicmix_core.inversion import invert
from ...magicmix_core.layout import Layout, check_known_from, noiseless
from ...magicmix_core.mixing import Window, sample_mixed
from ...magicmix_core.nu import Nu, NuCurve, ShapedNu, SteppedNu
from ...magicmix_core.recording import sample_recorded
from .carrying import KEY, carried_by
from .node_text import notes_of

SAMPLERS = comfy.samplers.SAMPLER_NAMES
SCHEDULERS = comfy.samplers.SCHEDULER_NAMES
HALVINGS = 20
"""Finds a noise level among a model's to a millionth."""
plain_sampler = comfy.samplers.sampler_object


class MixingSampler(comfy.samplers.KSAMPLER):
    """A SAMPLER that runs the `plain` one from the layout at K_max, mixed with the layout down to K_min (MagicMix, arXiv 2210.16056)."""

    def __init__(
        self,
        plain,
        layout: Layout,
        nu: Nu | NuCurve,
        k_max: float,
        k_min: float,
        restore_variance: bool = False,
        shape: Callable[[Tensor, Tensor], Tensor] | None = None,
    ):
        """Raises ValueError naming the wrong input: a sampler without steps to mix between, k_min above k_max, k_max above the layout's."""
        check_window(k_max, k_min)
        check_known_from(layout, k_max)
        if isinstance(plain, MixingSampler):
            raise ValueError("sampler must be a plain one, got one that already mixes a layout")
        if not isinstance(plain, comfy.samplers.KSAMPLER):
            raise ValueError(f"sampler must work step by step, as those of KSamplerSelect do; got {type(plain).__name__}")
        super().__init__(self.sample_steps, inpaint_options=plain.inpaint_options)
        self.plain, self.layout, self.nu, self.restore_variance = plain, layout, nu, restore_variance
        self.k_max, self.k_min, self.shape = k_max, k_min, shape

    def shaped(self, shape: Callable[[Tensor, Tensor], Tensor]) -> "MixingSampler":
        """The same, with nu as `shape(nu, latent)` makes it in the run."""
        return MixingSampler(self.plain, self.layout, self.nu, self.k_max, self.k_min, self.restore_variance, shape)

    @property
    def keeps_content(self) -> bool:
        """Whether nothing would be mixed."""
        return self.nu.keeps_content and self.shape is None

    def window(self, model_sampling) -> Window:
        """K counts on the training-timestep axis, so that every scheduler means the same by it."""
        return window_of(model_sampling, self.k_max, self.k_min)

    def sample(self, model_wrap, sigmas, extra_args, *args, **kwargs):
        """As the host calls it, but with the executed sigmas only: they count the progress bar's steps."""
        check_finite("sigmas", sigmas)
        window = self.window(model_wrap.inner_model.model_sampling)
        sigmas = window.executed(sigmas)
        options = extra_args["model_options"]["transformer_options"]
        if self.k_max > self.k_min and not self.keeps_content and window.mixed_steps(sigmas) == 0:
            notes_of(options).add(
                f"no step lies between k_max {self.k_max:g} and k_min {self.k_min:g}, so nothing is mixed: take more steps or a wider window"
            )
        steered = any(KEY in conditioning for conditionings in model_wrap.conds.values() for conditioning in conditionings)
        if steered and not carried_by(model_wrap.model_patcher):
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

        check_batch("nu_map", self.nu.rows, x.shape[0])
        window = self.window(model_sampling)
        return sample_mixed(
            _steps_of(self.plain),
            model,
            self.layout.path(model_wrap.inner_model, noising, like=x),
            sigmas,
            window,
            self._nu(model_sampling, sigmas[: window.mixed_steps(sigmas)]),
            restore=noising if self.restore_variance else None,
            extra_args=extra_args,
            callback=callback,
            disable=disable,
        )

    def _nu(self, model_sampling, sigmas: Tensor) -> Nu | SteppedNu | ShapedNu:
        """nu for a run whose mixed steps start at these `sigmas`."""
        nu = self.nu
        if isinstance(nu, NuCurve):
            nu = nu.over([_level(model_sampling, sigma) for sigma in sigmas.tolist()])
        return nu if self.shape is None else ShapedNu(nu, self.shape)


class RecordingSampler(comfy.samplers.KSAMPLER):
    """A SAMPLER that does what the `plain` one does and keeps the path: `sigmas` `[n + 1]` and `latents` `[n + 1, B, C, H, W]`."""

    def __init__(self, plain):
        super().__init__(self.sample_steps, inpaint_options=plain.inpaint_options)
        self.plain = plain

    def sample_steps(self, model, x, sigmas, extra_args=None, callback=None, disable=None):
        options = {"extra_args": extra_args, "callback": callback, "disable": disable}
        result, self.sigmas, self.latents = sample_recorded(_steps_of(self.plain), model, x, sigmas, **options)
        return result


class InvertingSampler(comfy.samplers.Sampler):
    """A SAMPLER that goes from the latent image up to its noise; keeps `latents` `[n + 1, B, C, H, W]`, noise first.

    With a `k_max` below 1 it is given the noise levels up to that only. Then it keeps the `noise` `[B, C, H, W]` that is in the first
    latent too, and gives that latent as a sampler of the host does which stops there, so that another can go on from it.
    """

    def __init__(self, refinements: int, k_max: float = 1.0):
        self.refinements, self.k_max = refinements, k_max
        self.noise: Tensor | None = None

    def sample(self, model_wrap, sigmas, extra_args, callback, noise, latent_image=None, denoise_mask=None, disable_pbar=False):
        def report(info: dict) -> None:
            if callback is not None:
                callback(info["i"], info["denoised"], info["x"], len(sigmas) - 1)

        self.latents = invert(model_wrap, latent_image, sigmas, self.refinements, extra_args=extra_args, callback=report)
        top = self.latents[0].to(latent_image)
        if self.k_max == 1:
            return top
        sampling = model_wrap.inner_model.model_sampling
        self.noise = (top - noiseless(sampling.noise_scaling, sigmas[0], latent_image)).cpu() / sigmas[0].cpu()
        return sampling.inverse_noise_scaling(sigmas[0], top)


class ReadingSampler(comfy.samplers.Sampler):
    """A SAMPLER that changes nothing: the model looks at each of `latents` `[n + 1, b, C, H, W]` but the last, at its level."""

    def __init__(self, latents: Tensor):
        self.latents = latents

    def sample(self, model_wrap, sigmas, extra_args, callback, noise, latent_image=None, denoise_mask=None, disable_pbar=False):
        for i, sigma in enumerate(sigmas[:-1]):
            x = self.latents[i].to(latent_image)
            denoised = model_wrap(x, sigma * x.new_ones([len(x)]), **extra_args)
            if callback is not None:
                callback(i, denoised, x, len(sigmas) - 1)
        return latent_image


def _level(model_sampling, sigma: float) -> float:
    """The fraction K of the training timesteps at which a model's noise level is `sigma`."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if model_sampling.percent_to_sigma(1 - middle) < sigma else (low, middle)
    return (low + high) / 2


def window_of(model_sampling, k_max: float, k_min: float) -> Window:
    """The noise levels between two fractions of the training timesteps, for a model's noise."""
    return Window(model_sampling.percent_to_sigma(1 - k_max), model_sampling.percent_to_sigma(1 - k_min))


def _steps_of(plain) -> Callable:
    """What a SAMPLER does, as a function of the k-diffusion form."""
    return partial(plain.sampler_function, **plain.extra_options)


def sigmas_of(model, sampler_name: str, scheduler: str, steps: int) -> Tensor:
    """`[steps + 1]` noise levels as the core KSampler takes them for this sampler (some drop the last but one).

    Raises ValueError for a scheduler that cannot make them: kl_optimal divides by `steps - 1`.
    """
    sigmas = comfy.samplers.KSampler(model, steps, model.load_device, sampler_name, scheduler).sigmas
    check_made(sigmas, scheduler, steps)
    return sigmas


def check_made(sigmas: Tensor, scheduler: str, steps: int) -> None:
    """Raises ValueError for noise levels that are not finite."""
    if not torch.isfinite(sigmas).all():
        came = ", ".join(f"{sigma:g}" for sigma in sigmas)
        raise ValueError(f"scheduler {scheduler} makes no noise levels for steps {steps}, but {came}: take more steps or another scheduler")

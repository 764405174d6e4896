"""A run of FlowEdit: the host's guidance over two prompts, each asked at a latent of its own."""

from collections.abc import Callable

import comfy.model_management
import comfy.model_sampling
import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from torch import Tensor

from ...magicmix_core.flow_edit import flow_edit
from ...magicmix_core.seeds import derive_seed
from .families import check_conditionings, check_run, pooled
from .node_text import notes_of
from .running import own_kind
from .samplers import sigmas_of, window_of

SOURCE, TARGET = "source", "positive"
"""What the conditionings are to the host's guidance. The target's is what it knows as the positive one."""


class TwoPrompts(comfy.samplers.CFGGuider):
    """A GUIDER for a source and a target prompt, one negative prompt beside both, and a guidance scale for each."""

    def __init__(self, model, source: list, target: list, negative: list, cfgs: dict[str, float]):
        super().__init__(model)
        self.inner_set_conds({TARGET: target, SOURCE: source, "negative": negative})
        self.cfgs = cfgs

    def asked(self, kind: str) -> Callable[..., Tensor]:
        """The model with one of the two prompts: `(x, sigma, **extra_args) -> denoised`."""

        def denoised(x: Tensor, sigma: Tensor, **extra_args) -> Tensor:
            self.kind = kind
            return self(x, sigma, **extra_args)

        return denoised

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        prompts = self.conds["negative"], self.conds[self.kind], self.cfgs[self.kind]
        return comfy.samplers.sampling_function(self.inner_model, x, timestep, *prompts, model_options=model_options or {}, seed=seed)


class FlowEditSampler(comfy.samplers.Sampler):
    """A SAMPLER that edits the latent image over the sigmas it is given, below k_min by the target prompt alone; for a TwoPrompts guider."""

    def __init__(self, k_min: float, averages: int, noise: Callable[[int, int], Tensor]):
        self.k_min, self.averages, self.noise = k_min, averages, noise

    def sample(self, model_wrap, sigmas, extra_args, callback, noise, latent_image=None, denoise_mask=None, disable_pbar=False):
        sampling = model_wrap.inner_model.model_sampling
        edited = window_of(sampling, 1, self.k_min).mixed_steps(sigmas)
        if edited == 0:
            notes_of(extra_args["model_options"]["transformer_options"]).add(
                f"no step lies above k_min {self.k_min:g}, so the target is drawn over the noised picture and the source is not asked: set k_min lower"
            )

        def report(info: dict) -> None:
            if callback is not None:
                callback(info["i"], info["denoised"], info["x"], len(sigmas) - 1)

        return flow_edit(
            model_wrap.asked(SOURCE),
            model_wrap.asked(TARGET),
            latent_image,
            sigmas,
            edited,
            lambda k, j: self.noise(k, j).to(latent_image),
            sampling.noise_scaling,
            averages=self.averages,
            mask=denoise_mask,
            extra_args=extra_args,
            callback=report,
        )


def edit_by_flow(
    model,
    prompts: dict[str, list],
    cfgs: dict[str, float],
    latent: dict,
    seed: int,
    steps: int,
    scheduler: str,
    k_max: float,
    k_min: float,
    averages: int,
) -> dict:
    """The picture in `latent`, edited from the prompt `source` to `target` of `prompts`, which has the `negative` one too; a LATENT.

    `cfgs` are the guidance scales of `source` and `target`. Raises ValueError for a model that is no flow-matching one.
    """
    check_flows(model)
    check_conditionings(model, **prompts)
    samples = own_kind(model, "latent", latent["samples"])
    for cfg in cfgs.values():
        check_run(model, cfg, latent | {"samples": samples}, **prompts)
    sigmas = window_of(model.get_model_object("model_sampling"), k_max, 0).executed(sigmas_of(model, "euler", scheduler, steps))
    if len(sigmas) < 2:  # what goes through no step goes through no scaling of the model's either
        return latent | {"samples": samples}

    def noise(k: int, j: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(derive_seed(seed, k), j))
        return comfy.sample.prepare_noise_inner(samples, generator, latent.get("batch_index"))

    guider = TwoPrompts(model, prompts["source"], prompts["target"], prompts["negative"], {SOURCE: cfgs["source"], TARGET: cfgs["target"]})
    with pooled(**prompts):
        edited = guider.sample(
            torch.zeros_like(samples),
            samples,
            FlowEditSampler(k_min, averages, noise),
            sigmas,
            denoise_mask=latent.get("noise_mask"),
            callback=latent_preview.prepare_callback(model, len(sigmas) - 1),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=seed,
        )
    return latent | {"samples": edited.to(comfy.model_management.intermediate_device())}


def check_flows(model) -> None:
    """Raises ValueError for a model whose noise levels are not the times of a flow from pictures to noise."""
    if not isinstance(model.get_model_object("model_sampling"), comfy.model_sampling.CONST):
        raise ValueError(
            f"model must be a flow-matching one, as SD3, Flux, Qwen-Image, Lumina 2 and Wan are: FlowEdit follows the velocities that such"
            f" models predict, and {type(model.model).__name__} does not. For this model take MagicMix Layout Inversion, then Prompt-to-Prompt"
        )

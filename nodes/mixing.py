"""MagicMix (arXiv 2210.16056): two samplers that mix a layout in."""

from comfy_api.latest import io

from ..magicmix_core.nu import SCHEDULES, NuCurve, drawn_curve, make_nu
from .host.running import mix_layout
from .host.samplers import MixingSampler, plain_sampler, sigmas_of
from .inputs import checked
from .sockets import Layout, cfg_input, fraction_input, sampler_input, scheduler_input, seed_input, steps_input


def _nu_input() -> io.Input:
    return fraction_input(
        "nu",
        0.85,
        "How much of the content each mixed step keeps: 1 = no layout after the start, 0 = only the layout until k_min. Try 0.5 to 0.9; very different things need more.",
    )


def window_inputs() -> list[io.Input]:
    return [
        fraction_input(
            "k_max",
            0.6,
            "Where sampling starts, as a fraction of the training timesteps: 1 = pure noise, 0 = the untouched layout. Lower keeps more of the layout.",
        ),
        fraction_input(
            "k_min",
            0.3,
            "Where mixing ends, as a fraction of the training timesteps: below it the prompt is free to add detail. Must not be above k_max; the same value means no mixing.",
        ),
    ]


def optional_mixing_inputs(*wanted: str) -> list[io.Input]:
    """Those of these names; all where none is named."""
    inputs = [
        io.Mask.Input(
            "nu_map",
            optional=True,
            tooltip="nu for each place, instead of the number above: white = content, black = layout. Any size; a batch of masks makes one picture for each.",
        ),
        io.Combo.Input(
            "nu_schedule",
            options=list(SCHEDULES),
            default="constant",
            optional=True,
            tooltip="nu over the mixed steps: constant, or rising from nu to 1 (linear, or eased as a cosine) so that the layout fades out.",
        ),
        io.Boolean.Input(
            "restore_variance",
            default=False,
            optional=True,
            tooltip="Restore the noise that is lost where content and layout carry different noise: sharper with stochastic samplers or independent noise. Not part of the paper.",
        ),
        io.String.Input(
            "nu_curve",
            default="",
            optional=True,
            tooltip="nu over the noise levels, instead of nu and nu_schedule, as points 'noise level : nu': 0.6:0.5, 0.3:0.9 rises from 0.5 at k 0.6 to 0.9 at k 0.3. Straight lines between the points, constant beyond them. Empty = off.",
        ),
    ]
    return [entry for entry in [*inputs, *_drawn_curve_input()] if not wanted or entry.id in wanted]


def _read(drawn) -> NuCurve | None:
    """nu as the host's curve has it, a CurveInput; None for none."""
    return None if drawn is None else drawn_curve(drawn.points, drawn.interp)


def _drawn_curve_input() -> list[io.Input]:
    """None on hosts without curves, such as 0.3.75. A socket and no curve of its own on the node, which could not be off."""
    if not hasattr(io, "Curve"):
        return []
    entry = io.Curve.Input(
        "nu_curve_drawn",
        optional=True,
        socketless=False,
        tooltip="nu over the noise levels as a drawn curve, from Curve Editor, instead of nu_curve: x = noise level as k_max counts it (0 = none, 1 = pure noise), y = nu.",
    )
    entry.force_input = True
    return [entry]


class MagicMixKSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMixKSampler",
            display_name="MagicMix Interpolating KSampler",
            category="MagicMix",
            description="Samples the prompt while mixing a layout into it, all in one node.",
            inputs=[
                io.Model.Input("model", tooltip="The model that draws the content."),
                io.Conditioning.Input("positive", tooltip="The content: what the picture becomes."),
                io.Conditioning.Input("negative", tooltip="What the picture should not show; an empty prompt is fine."),
                Layout.Input(
                    "layout",
                    tooltip="The layout to mix in, from MagicMix Layout Noise, Layout From Prompt or Layout Inversion: it also sets size and batch.",
                ),
                seed_input("Seed of the noise that stochastic samplers add on the way. The starting noise is the layout's own."),
                steps_input("Steps of the whole schedule, as in the paper; only those below k_max are run: 30 of 50 at 0.6."),
                cfg_input(),
                sampler_input("Any sampler works. Deterministic ones (euler, dpmpp_2m) keep the layout cleanest."),
                scheduler_input(),
                _nu_input(),
                *window_inputs(),
                *optional_mixing_inputs(),
            ],
            outputs=[io.Latent.Output("mixed_latent", display_name="latent", tooltip="The mixed picture as a latent.")],
        )

    @classmethod
    @checked
    def execute(
        cls,
        model,
        positive,
        negative,
        layout,
        seed,
        steps,
        cfg,
        sampler_name,
        scheduler,
        nu,
        k_max,
        k_min,
        nu_map=None,
        nu_schedule="constant",
        restore_variance=False,
        nu_curve="",
        nu_curve_drawn=None,
    ) -> io.NodeOutput:
        sigmas = sigmas_of(model, sampler_name, scheduler, steps)
        weights = make_nu(nu, nu_schedule, nu_map, layout.samples.shape[-2:], nu_curve, _read(nu_curve_drawn))
        sampler = MixingSampler(plain_sampler(sampler_name), layout, weights, k_max, k_min, restore_variance)
        return io.NodeOutput(mix_layout(model, sampler, sigmas, seed, cfg, positive, negative))


class MagicMixSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMixSampler",
            display_name="MagicMix Sampler",
            category="MagicMix",
            description="Makes any sampler mix a layout in, for SamplerCustomAdvanced: guider, noise, scheduler and latent come from there.",
            inputs=[
                io.Sampler.Input("sampler", tooltip="The sampler that draws the content, for example from KSamplerSelect."),
                Layout.Input(
                    "layout",
                    tooltip="The layout to mix in, from MagicMix Layout Noise, Layout From Prompt or Layout Inversion. Sampling starts from it: the latent and the noise of the graph set size and batch only.",
                ),
                _nu_input(),
                *window_inputs(),
                *optional_mixing_inputs(),
            ],
            outputs=[
                io.Sampler.Output(
                    "mixing_sampler", display_name="sampler", tooltip="The same sampler, mixing the layout in between k_max and k_min."
                )
            ],
        )

    @classmethod
    @checked
    def execute(
        cls,
        sampler,
        layout,
        nu,
        k_max,
        k_min,
        nu_map=None,
        nu_schedule="constant",
        restore_variance=False,
        nu_curve="",
        nu_curve_drawn=None,
    ) -> io.NodeOutput:
        weights = make_nu(nu, nu_schedule, nu_map, layout.samples.shape[-2:], nu_curve, _read(nu_curve_drawn))
        return io.NodeOutput(MixingSampler(sampler, layout, weights, k_max, k_min, restore_variance))

"""A mix whose nu finds itself."""

from functools import partial

from comfy_api.latest import io

from ..magicmix_core.balance import FIRST, NuSearch
from ..magicmix_core.harmony import GoldenSearch, smaller
from .host.balancing import Measure, balance, what_remains
from .host.clip_likeness import by_clip
from .host.samplers import MixingSampler, plain_sampler, sigmas_of
from .inputs import checked
from .mixing import optional_mixing_inputs, window_inputs
from .sheet import draw_sheet
from .sockets import Layout, cfg_input, sampler_input, scheduler_input, seed_input, steps_input


class MagicMixBalance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MagicMixBalance",
            display_name="MagicMix Balance",
            category="MagicMix",
            description="Mixes a layout into the prompt and finds nu by itself: tries some, measures how much of the layout remains, and keeps the best.",
            inputs=[
                io.Model.Input("model", tooltip="The model that draws the content."),
                io.Conditioning.Input("positive", tooltip="The content: what the picture shall become."),
                io.Conditioning.Input("negative", tooltip="What the picture shall not show; an empty prompt is fine."),
                Layout.Input("layout", tooltip="The layout to mix in, of one picture, from any MagicMix Layout node."),
                io.Vae.Input("vae", tooltip="The VAE of the model: tries are measured as pictures."),
                seed_input("Seed of the noise that stochastic samplers add on the way. The starting noise is the layout's own."),
                steps_input("Steps of the whole schedule; each try runs those below k_max."),
                cfg_input(),
                sampler_input("Any sampler works. Deterministic ones (euler, dpmpp_2m) keep the layout cleanest."),
                scheduler_input(),
                io.Float.Input(
                    "target",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How much of the layout shall remain: 0.5 = as near to the layout as to what the prompt draws alone, 1 = the layout, 0 = the prompt alone.",
                ),
                io.Int.Input(
                    "tries",
                    default=6,
                    min=len(FIRST),
                    max=30,
                    tooltip="How many nus to try, each a whole run; three at a time where memory allows.",
                ),
                *window_inputs(),
                *optional_mixing_inputs("nu_schedule", "restore_variance"),
                io.ClipVision.Input(
                    "clip_vision",
                    optional=True,
                    tooltip="Measures by what the pictures show, not by structure and colours: how much like the layout's picture each try is and how much like content_text, whichever is less. From Load CLIP Vision, and of the same CLIP as clip.",
                ),
                io.Clip.Input(
                    "clip",
                    optional=True,
                    tooltip="For clip_vision: the text encoder of the same CLIP. The checkpoint's own for SDXL (with ViT-bigG) and Stable Diffusion 2 (ViT-H); for 1.5 a whole CLIP-L from Load CLIP (ViT-L).",
                ),
                io.String.Input(
                    "content_text",
                    default="",
                    optional=True,
                    tooltip="For clip_vision: what positive says, in words, as a picture of a fox.",
                ),
            ],
            outputs=[
                io.Latent.Output("mixed_latent", display_name="latent", tooltip="The mix that came nearest to the target, as a latent."),
                io.Float.Output("nu", display_name="nu", tooltip="Its nu, to use elsewhere."),
                io.Image.Output("sheet", display_name="sheet", tooltip="All tries by rising nu, each with what was measured of it."),
            ],
        )

    @classmethod
    @checked
    def execute(
        cls,
        model,
        positive,
        negative,
        layout,
        vae,
        seed,
        steps,
        cfg,
        sampler_name,
        scheduler,
        target,
        tries,
        k_max,
        k_min,
        nu_schedule="constant",
        restore_variance=False,
        clip_vision=None,
        clip=None,
        content_text="",
    ) -> io.NodeOutput:
        search, measure = _search(target, tries, clip_vision, clip, content_text)
        run = {"seed": seed, "cfg": cfg, "positive": positive, "negative": negative}
        window = {"k_max": k_max, "k_min": k_min, "restore_variance": restore_variance}
        mixing = partial(MixingSampler, plain_sampler(sampler_name), layout, **window)
        tried = balance(search, measure, mixing, nu_schedule, vae, model, sigmas_of(model, sampler_name, scheduler, steps), run)
        best = next(each for each in tried if each.nu == search.best)
        labels = [f"{'> ' if each is best else ''}nu {each.nu:.3g}: {each.said}" for each in tried]
        sheet, _ = draw_sheet([each.picture for each in tried], labels, 0, f"target {target:g}: nu {best.nu:.3g}")
        return io.NodeOutput(layout.latent | {"samples": best.latent}, best.nu, sheet)


def _search(target: float, tries: int, clip_vision, clip, text: str) -> tuple[NuSearch | GoldenSearch, Measure]:
    """How to search, and what by. Raises ValueError where only a part of what CLIP needs is given."""
    if clip_vision is None:
        if clip is not None:
            raise ValueError("clip_vision must be connected where clip is: the two measure together")
        return NuSearch(target, tries), what_remains
    if clip is None:
        raise ValueError("clip must be connected where clip_vision is: the text encoder of the same CLIP")
    if not text.strip():
        raise ValueError("content_text must say what the prompt draws where clip_vision is connected, got nothing")
    return GoldenSearch(tries, smaller(1, 0, target)), by_clip(clip_vision, clip, text, target)

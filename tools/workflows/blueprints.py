"""Blueprints of the two commonest wishes, by the names under which the page lists them."""

from blueprint_form import Blueprint, Given
from building import CONTENT, LAYOUT, SAMPLING, SD15, Graph


def mix_a_picture() -> Blueprint:
    graph = Graph("""
        **A picture mixed with a prompt**, set for Stable Diffusion 1.5. `nu` says how much the prompt changes: towards 1 the prompt wins, towards 0
        the picture.

        For Stable Diffusion XL set `megapixels` to 1.
        """)
    model, clip, vae = (Given(name) for name in ("model", "clip", "vae"))
    size = {"upscale_method": "lanczos", "megapixels": Given("megapixels", 0.25)}
    scaled = graph.add("ImageScaleToTotalPixels", "Scale to the model's size", LAYOUT, image=Given("image"), **size)()
    latent = graph.add("VAEEncode", pixels=scaled, vae=vae)()
    layout = graph.add("MagicMixLayoutNoise", latent=latent, seed=Given("seed", 1), noise="shared")()
    content = graph.add("CLIPTextEncode", "Content prompt", clip=clip, text=Given("prompt", "a fox"))()
    negative = graph.add("CLIPTextEncode", "Negative prompt", clip=clip, text="")()
    inputs = {"model": model, "positive": content, "negative": negative, "layout": layout, "cfg": SD15.cfg}
    mixed = graph.add("MagicMixKSampler", **inputs, **SD15.window(Given("nu", 0.7)), **SAMPLING)()
    inputs = ("model", "clip", "vae", "image", "prompt", "nu", "seed", "megapixels")
    return Blueprint(graph, inputs, {"image": graph.add("VAEDecode", samples=mixed, vae=vae)()})


def change_a_word() -> Blueprint:
    graph = Graph("""
        **A word changed, the picture kept**, set for Stable Diffusion 1.5. Write the same prompt twice, with one word exchanged.

        Lower `self_steps`, then `cross_steps`, where the new thing needs another shape.
        """)
    model, clip, vae = (Given(name) for name in ("model", "clip", "vae"))
    texts = Given("source_text", "a photo of a cat riding a bicycle"), Given("target_text", "a photo of a dog riding a bicycle")
    size = {"width": Given("width", SD15.side), "height": Given("height", SD15.side), "batch_size": 1}
    latent = graph.add("EmptyLatentImage", part=LAYOUT, **size)()
    source = graph.add("CLIPTextEncode", "Layout prompt", LAYOUT, clip=clip, text=texts[0])()
    negative = graph.add("CLIPTextEncode", "Negative prompt", CONTENT, clip=clip, text="")()
    inputs = {"model": model, "positive": source, "negative": negative, "latent": latent, "cfg": SD15.cfg}
    layout = graph.add("MagicMixLayoutFromPrompt", **inputs, **SAMPLING | {"seed": Given("seed", 1)})
    steps = {"cross_steps": Given("cross_steps", 0.8), "self_steps": Given("self_steps", 0.4)}
    texts = {"source_text": texts[0], "target_text": texts[1]}
    edit = graph.add("PromptToPrompt", model=model, clip=clip, layout=layout(0), edit="auto", **texts, **steps)
    inputs = {"model": edit(0), "positive": edit(1), "negative": negative, "layout": layout(0), "cfg": SD15.cfg}
    mixed = graph.add("MagicMixKSampler", **inputs, **SD15.window(1.0, k_max=1.0, k_min=1.0), **SAMPLING)()
    changed, before = (
        graph.add("VAEDecode", part=part, samples=latent, vae=vae)() for part, latent in ((None, mixed), (LAYOUT, layout(1)))
    )
    inputs = ("model", "clip", "vae", "source_text", "target_text", "cross_steps", "self_steps", "seed", "width", "height")
    return Blueprint(graph, inputs, {"image": changed, "before": before})


BLUEPRINTS = {
    "Mix a picture with a prompt (MagicMix)": mix_a_picture,
    "Change a word, keep the picture (MagicMix)": change_a_word,
}

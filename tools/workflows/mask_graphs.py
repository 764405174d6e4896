"""Graphs of what a word's map can steer, once it is a mask."""

from dataclasses import dataclass

from building import CONTENT, LAYOUT, Flavour, Graph, Link, empty_latent, encode, mixed, prompts, save

CAT_ON_A_SOFA = "a photo of a cat on a sofa", "cat", 0.3
CAT_AND_CAR = "a cat to the left of a car on green grass", "cat", 0.2
"""What a layout shows, one of its words, and the threshold of that word's mask."""


@dataclass
class Drawn:
    """A layout drawn from a prompt, its latent, and the mask of where one of its words is."""

    layout: Link
    latent: Link
    mask: Link
    described: Link


def drawn(graph: Graph, flavour: Flavour, model: Link, clip: Link, vae: Link, negative: Link, shown: tuple[str, str, float]) -> Drawn:
    text, word, threshold = shown
    positive = encode(graph, clip, text, "Layout prompt")
    recorder = graph.add("CrossAttnRecord", part=LAYOUT, model=model, clip=clip, text=text, words=word, resolution="16")
    empty = empty_latent(graph, flavour)
    inputs = {"model": recorder(0), "positive": positive, "negative": negative, "latent": empty, "cfg": flavour.cfg}
    layout = graph.add("MagicMixLayoutFromPrompt", **inputs, **flavour.sampling)
    pictures = graph.add("VAEDecode", part=LAYOUT, samples=layout(1), vae=vae)()
    settings = {"opacity": 0.7, "legend": True, "latent": layout(1), "threshold": threshold, "soft_edge": flavour.side // 8}
    graph.add("PreviewImage", "The layout's own picture", LAYOUT, images=pictures)
    maps = graph.add("CrossAttnMaps", part=LAYOUT, recording=recorder(1), images=pictures, **settings)
    graph.add("PreviewImage", "Where the word is", LAYOUT, images=maps(0))
    return Drawn(layout(0), layout(1), maps(1), positive)


def mask_nu_map(flavour: Flavour) -> Graph:
    graph = Graph("""
        **Mixed only where a word is.** The layout's run is recorded; the word's map becomes a mask, and the mask nu: the prompt wins where
        the word is, the layout stays elsewhere.

        `threshold` makes the mask smaller, `soft_edge` blurs it.
        """)
    model, clip, vae = flavour.load(graph)
    content, negative = prompts(
        graph, flavour, clip, flavour.pick("a pumpkin to the left of a car on green grass", "a photo of a fox on a sofa")
    )
    there = drawn(graph, flavour, model, clip, vae, negative, flavour.pick(CAT_AND_CAR, CAT_ON_A_SOFA))
    save(graph, vae, mixed(graph, flavour, model, content, negative, there.layout, nu_map=there.mask, **flavour.window(0.5)))
    return graph


def mask_inpaint(flavour: Flavour) -> Graph:
    graph = Graph("""
        **Repainted only where a word is.** The word's map is an inpaint mask: the core's KSampler draws the content prompt inside it.

        Lower `denoise` keeps more of what was there.
        """)
    model, clip, vae = flavour.load(graph)
    content, negative = prompts(
        graph, flavour, clip, flavour.pick("a lion to the left of a car on green grass", "a photo of a fox on a sofa")
    )
    there = drawn(graph, flavour, model, clip, vae, negative, flavour.pick(CAT_AND_CAR, CAT_ON_A_SOFA))
    latent = graph.add("SetLatentNoiseMask", samples=there.latent, mask=there.mask)()
    inputs = {"model": model, "positive": content, "negative": negative, "latent_image": latent, "cfg": flavour.cfg, "denoise": 0.8}
    save(graph, vae, graph.add("KSampler", **inputs, **flavour.sampling)())
    return graph


def mask_conditioning(flavour: Flavour) -> Graph:
    graph = Graph("""
        **A prompt only where a word is.** The word's map limits the content prompt to its place; the layout prompt draws
        the rest.
        """)
    model, clip, vae = flavour.load(graph)
    content, negative = prompts(
        graph, flavour, clip, flavour.pick("a lion to the left of a car on green grass", "a photo of a fox on a sofa")
    )
    there = drawn(graph, flavour, model, clip, vae, negative, flavour.pick(CAT_AND_CAR, CAT_ON_A_SOFA))
    limits = {"conditioning": content, "mask": there.mask, "strength": 1.0, "set_cond_area": "default"}
    inside = graph.add("ConditioningSetMask", part=CONTENT, **limits)()
    rest = graph.add("InvertMask", part=CONTENT, mask=there.mask)()
    outside = graph.add("ConditioningSetMask", part=CONTENT, **limits | {"conditioning": there.described, "mask": rest})()
    both = graph.add("ConditioningCombine", part=CONTENT, conditioning_1=inside, conditioning_2=outside)()
    save(graph, vae, mixed(graph, flavour, model, both, negative, there.layout, **flavour.window(flavour.pick(0.75, 0.7))))
    return graph


MASK_GRAPHS = [mask_nu_map, mask_inpaint, mask_conditioning]

"""Graphs of layouts that are put together, and of several contents over one layout."""

from building import CONTENT, LAYOUT, Flavour, Graph, Link, encode, mixed, prompt_layout, prompts, save, shown

PLACES = 96
"""Width and height of the masks; nodes scale them to the latent."""


def layout_collage(flavour: Flavour) -> Graph:
    graph = Graph("""
        **Two layouts, each where it is wanted.** Each is made smaller and moved to its side; the mask says which of them counts where. The content
        prompt then makes one picture of both.

        Move them with `right` and `down`; paint another mask in the mask editor. Without a mask, `share` blends both everywhere.
        """)
    model, clip, vae = flavour.load(graph)
    content, negative = prompts(graph, flavour, clip, flavour.pick("a butterfly", "a photo of two cats on a sofa"))
    drawn = [
        prompt_layout(graph, flavour, model, clip, negative, text)
        for text in flavour.pick(("a watermelon", "a pizza"), ("a photo of a teapot", "a photo of a loaf of bread"))
    ]
    placed = [
        graph.add("MagicMixLayoutTransform", title, layout=layout, mirror=False, turn="none", scale=0.6, right=right, down=0.0)()
        for title, layout, right in zip(("To the left", "To the right"), (own(0) for own in drawn), (-0.25, 0.25), strict=True)
    ]
    mask = beside(graph, "Right half", LAYOUT, (0.0, 1.0))
    layout = graph.add("MagicMixLayoutBlend", first=placed[0], second=placed[1], share=0.5, mask=mask)()
    save(graph, vae, mixed(graph, flavour, model, content, negative, layout, **flavour.window(flavour.pick(0.55, 0.7))))
    for own in drawn:
        shown(graph, vae, own(1))
    return graph


def three_contents(flavour: Flavour) -> Graph:
    graph = Graph("""
        **Three things in one silhouette.** Each content prompt has a third of the picture to itself, and its own `nu` there: the masks on the
        prompts say where, the mask on the sampler says how much.
        """)
    model, clip, vae = flavour.load(graph)
    negative = encode(graph, clip, "", "Negative prompt")
    layout = prompt_layout(graph, flavour, model, clip, negative, flavour.pick("a birthday cake", "a photo of a cat on a sofa"))
    texts = flavour.pick(("a watermelon", "a pizza", "a carrot"), ("a photo of strawberries", "a photo of moss", "a photo of a tiger"))
    contents = []
    for number, (text, third) in enumerate(zip(texts, ("left", "middle", "right"), strict=True)):
        mask = beside(graph, f"The {third} third", CONTENT, tuple(float(place == number) for place in range(3)))
        content = encode(graph, clip, text, f"Content prompt, {third}")
        inputs = {"conditioning": content, "mask": mask, "strength": 1.0, "set_cond_area": "default"}
        contents.append(graph.add("ConditioningSetMask", part=CONTENT, **inputs)())
    content = contents[0]
    for other in contents[1:]:
        content = graph.add("ConditioningCombine", part=CONTENT, conditioning_1=content, conditioning_2=other)()
    nu_map = beside(graph, "nu, from left to right", CONTENT, flavour.pick((0.5, 0.45, 0.55), (0.6, 0.7, 0.8)))
    save(graph, vae, mixed(graph, flavour, model, content, negative, layout(0), nu_map=nu_map, **flavour.window(0.5)))
    shown(graph, vae, layout(1))
    return graph


def beside(graph: Graph, title: str, part: str, values: tuple[float, ...]) -> Link:
    """A mask of stripes from left to right, each with its value; the last of its nodes bears the title."""
    mask = graph.add("SolidMask", part=part, value=0.0, width=PLACES, height=PLACES)()
    width = PLACES // len(values)
    for number, value in enumerate(values):
        if value:
            stripe = graph.add("SolidMask", part=part, value=value, width=width, height=PLACES)()
            inputs = {"destination": mask, "source": stripe, "x": number * width, "y": 0, "operation": "add"}
            mask = graph.add("MaskComposite", title, part, **inputs)()
    return mask


LAYOUT_GRAPHS = [layout_collage, three_contents]

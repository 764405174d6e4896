"""Graphs of Plug-and-Play, of edited photographs, and of all three ways to steer in one run."""

from collections.abc import Callable

from building import Flavour, Graph, Link, encode, image_latent, mixed, prompt_layout, save, shown

Pair = tuple[Link, Link]
"""A MODEL and the positive CONDITIONING that goes with it."""
FROM_THE_START = {"k_max": 1.0, "k_min": 1.0}


def features(graph: Graph, model: Link, layout: Link, attention_steps: float | Link, feature_steps: float | Link) -> Link:
    steps = {"attention_steps": attention_steps, "feature_steps": feature_steps}
    return graph.add("PlugAndPlayFeatures", model=model, layout=layout, **steps, attention_blocks="", feature_blocks="")()


def swapped(graph: Graph, model: Link, clip: Link, layout: Link, texts: tuple[str, str], cross: float | Link, itself: float | Link) -> Pair:
    inputs = {
        "layout": layout,
        "source_text": texts[0],
        "target_text": texts[1],
        "edit": "auto",
        "cross_steps": cross,
        "self_steps": itself,
    }
    node = graph.add("PromptToPrompt", model=model, clip=clip, **inputs, words="", local_blend="", word_steps="")
    return node(0), node(1)


def plug_and_play(flavour: Flavour) -> Graph:
    graph = Graph(
        """
        **Another thing over the same structure.** The layout's inner features and self-attention take the place of the new picture's own; use any prompt.

        Lower `feature_steps`, then `attention_steps`, where the new thing needs another shape. The left picture is the layout's own.
        """
        if flavour.features
        else """
        **Another thing over the same structure.** The layout's self-attention takes the place of the new picture's own; use any prompt. Transformers
        have no features to take: `feature_steps` stays at 0.

        Lower `attention_steps` where the new thing needs another shape. The left picture is the layout's own.
        """
    )
    model, clip, vae = flavour.load(graph)
    negative = encode(graph, clip, "", "Negative prompt")
    layout = prompt_layout(graph, flavour, model, clip, negative, flavour.pick("a castle", "a photo of a horse on a beach"))
    content = encode(graph, clip, flavour.pick("a birthday cake", "a bronze statue of a horse"), "Content prompt")
    model = features(graph, model, layout(0), flavour.pick(0.9, 0.5), flavour.pick(0.9, 0.8) if flavour.features else 0.0)
    save(graph, vae, mixed(graph, flavour, model, content, negative, layout(0), **flavour.window(1.0, **FROM_THE_START)))
    shown(graph, vae, layout(1))
    return graph


def inverted(graph: Graph, flavour: Flavour, model: Link, vae: Link, described: Link, sample: str) -> Link:
    inputs = {
        "positive": described,
        "latent": image_latent(graph, flavour, vae, sample),
        "steps": flavour.sampling["steps"],
        "scheduler": "ddim_uniform",
        "refinements": 2,
    }
    return graph.add("MagicMixLayoutInversion", model=model, **inputs)(0)


def photo_word_swap(flavour: Flavour) -> Graph:
    graph = Graph("""
        **A word exchanged in a real picture.** The picture is followed back to its noise, then drawn with the changed prompt and the attention it had.

        Say in *Layout prompt* and `source_text` what your picture shows, and in `target_text` what changes. The layout prompt is the negative prompt
        too: so guidance pushes only from the old word to the new one, and with the old text the picture itself comes back.
        """)
    model, clip, vae = flavour.load(graph)
    texts = (
        flavour.pick("a frog on a gift box on a yellow background", "a photo of a cat"),
        flavour.pick("a penguin on a gift box on a yellow background", "a photo of a dog"),
    )
    described = encode(graph, clip, texts[0], "Layout prompt")
    layout = inverted(graph, flavour, model, vae, described, "frog on a gift box")
    edited, positive = swapped(graph, model, clip, layout, texts, 0.8, 0.4)
    window = flavour.window(1.0, **FROM_THE_START) | {"cfg": flavour.pick(2.0, 7.5)}
    save(graph, vae, mixed(graph, flavour, edited, positive, described, layout, **window))
    return graph


def photo_plug_and_play(flavour: Flavour) -> Graph:
    graph = Graph("""
        **A real picture drawn anew.** The picture is followed back to its noise; its structure then carries what the content prompt says.

        Say in *Layout prompt* what your picture shows. It is the negative prompt too: guidance then moves away from it, towards the content prompt.
        """)
    model, clip, vae = flavour.load(graph)
    described = encode(graph, clip, flavour.pick("a house to the left of a fox on green grass", "a photo of a cat"), "Layout prompt")
    layout = inverted(graph, flavour, model, vae, described, "house and fox")
    content = encode(graph, clip, flavour.pick("a castle to the left of a lion at night", "an origami cat"), "Content prompt")
    followed = features(graph, model, layout, 0.5, 0.8)
    save(graph, vae, mixed(graph, flavour, followed, content, described, layout, **flavour.window(1.0, **FROM_THE_START)))
    return graph


def three_doors(flavour: Flavour) -> Graph:
    graph = Graph("""
        **All three in one run.** Words stay where the layout has them (Prompt-to-Prompt), the structure is the layout's (Plug-and-Play), and the
        layout's colours are mixed in (`nu`). The order of the nodes does not matter.
        """)
    model, clip, vae = flavour.load(graph)
    negative = encode(graph, clip, "", "Negative prompt")
    texts = doors_texts(flavour)
    layout = prompt_layout(graph, flavour, model, clip, negative, texts[0])
    model = features(graph, model, layout(0), 0.5, 0.8)
    model, positive = swapped(graph, model, clip, layout(0), texts, 0.4, 0.2)
    window = flavour.window(flavour.pick(0.8, 0.7), k_max=1.0)
    save(graph, vae, mixed(graph, flavour, model, positive, negative, layout(0), **window))
    shown(graph, vae, layout(1))
    return graph


def three_doors_sheet(flavour: Flavour) -> Graph:
    graph = Graph("""
        **What each way of steering keeps.** The same layout, prompt and noise; from left to right the layout gets stronger, in a row by `nu` alone, by
        Prompt-to-Prompt alone, by Plug-and-Play alone.
        """)
    model, clip, vae = flavour.load(graph)
    negative = encode(graph, clip, "", "Negative prompt")
    texts = doors_texts(flavour)
    layout = prompt_layout(graph, flavour, model, clip, negative, texts[0])
    content = encode(graph, clip, texts[1], "Content prompt")
    nus = flavour.pick("1, 0.9, 0.8, 0.7, 0.6", "1, 0.9, 0.8, 0.7, 0.5")
    nu, steps = (
        graph.add("ValueGrid", x_values=values, y_values="", x_name=name, y_name="") for values, name in ((nus, "nu"), ("0:1:5", "steps"))
    )

    def row(title: str, grid: Callable[[int], Link], pair: Pair, **window) -> Link:
        latent = mixed(graph, flavour, *pair, negative, layout(0), **flavour.window(1.0, **FROM_THE_START) | window)
        pictures = graph.add("VAEDecode", samples=latent, vae=vae)()
        return graph.add("ContactSheet", images=pictures, labels=grid(2), columns=grid(3), title=title)()

    followed = features(graph, model, layout(0), steps(0), steps(0))
    rows = [
        row("MagicMix, nu", nu, (model, content), nu=nu(0), k_min=flavour.k_min),
        row("Prompt-to-Prompt, cross_steps and self_steps", steps, swapped(graph, model, clip, layout(0), texts, steps(0), steps(0))),
        row("Plug-and-Play, attention_steps and feature_steps", steps, (followed, content)),
    ]
    sheet = rows[0]
    for below in rows[1:]:
        stitching = {"direction": "down", "match_image_size": True, "spacing_width": 0, "spacing_color": "white"}
        sheet = graph.add("ImageStitch", image1=sheet, image2=below, **stitching)()
    graph.add("SaveImage", images=sheet, filename_prefix="magicmix")
    shown(graph, vae, layout(1))
    return graph


def doors_texts(flavour: Flavour) -> tuple[str, str]:
    return flavour.pick("a castle", "a photo of a castle"), flavour.pick("a birthday cake", "a photo of a birthday cake")


DOOR_GRAPHS = [plug_and_play, photo_word_swap, photo_plug_and_play, three_doors, three_doors_sheet]

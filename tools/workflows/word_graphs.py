"""Graphs of words under control: re-weighting, heat maps, Prompt-to-Prompt."""

from collections.abc import Callable

from building import MIX, Flavour, Graph, Link, empty_latent, encode, guided, mixed, prompt_layout, save, save_sheet, shown
from mask_graphs import drawn

SWEEP = {"y_values": "", "x_name": "s", "y_name": ""}


def plain(graph: Graph, flavour: Flavour, model: Link, positive: Link, negative: Link, part: str = MIX) -> Link:
    inputs = {"model": model, "positive": positive, "negative": negative, "latent_image": empty_latent(graph, flavour, part)}
    return graph.add("KSampler", part=part, **inputs, cfg=flavour.cfg, denoise=1.0, **flavour.sampling)()


def reweighted(graph: Graph, model: Link, clip: Link, text: str, words: str, scale: float | Link) -> Callable[[int], Link]:
    return graph.add("CrossAttnReweight", model=model, clip=clip, text=text, words=words, scale=scale)


def reweight_sheet(flavour: Flavour) -> Graph:
    graph = Graph("""
        **One word, from removed to twice as strong.** The same noise and prompt throughout; only the word's scale changes.
        """)
    model, clip, vae = flavour.load(graph)
    negative = encode(graph, clip, "", "Negative prompt")
    text, word = (
        flavour.pick("a lion wearing a crown", "a photo of a fluffy cat", "a cup of coffee"),
        flavour.pick("crown", "fluffy", "coffee"),
    )
    grid = graph.add("ValueGrid", x_values=flavour.pick("-1, 0, 0.2, 0.4, 1, 2", "-2:2:9", "-0.5:2:6"), **SWEEP)
    node = reweighted(graph, model, clip, text, word, grid(0))
    save_sheet(graph, vae, plain(graph, flavour, node(0), node(1), negative), grid, f"{text}: {word} times s")
    return graph


def concept_removal(flavour: Flavour) -> Graph:
    graph = Graph("""
        **An object's layout without the object** (MagicMix, Figures 7 and 11). The layout and the prompt name the same thing; scaled below 0, the
        thing disappears while its shape and colours stay. The left picture is the layout's own.
        """)
    model, clip, vae = flavour.load(graph)
    negative = encode(graph, clip, "", "Negative prompt")
    text, word = (
        flavour.pick("a cat to the left of a car on green grass", "a photo of a corgi", "a turtle"),
        flavour.pick("car", "corgi", "turtle"),
    )
    layout = prompt_layout(graph, flavour, model, clip, negative, text)
    grid = graph.add(
        "ValueGrid", x_values=flavour.pick("1, 0, -0.5, -1, -2", "2, 1, 0, -0.5, -1, -2", "2, 1, 0, -0.25, -0.5, -0.75"), **SWEEP
    )
    node = reweighted(graph, model, clip, text, word, grid(0))
    mix = mixed(graph, flavour, node(0), node(1), negative, layout(0), **flavour.window(flavour.pick(0.8, 0.7, 0.9)))
    save_sheet(graph, vae, mix, grid, f"the layout of {text}, {word} times s")
    shown(graph, vae, layout(1))
    return graph


def magicmix_reweight(flavour: Flavour) -> Graph:
    graph = Graph("""
        **MagicMix with a word re-weighted.** A rabbit's layout, a tiger's content: the word's scale says how much tiger there is, beside `nu`.
        """)
    model, clip, vae = flavour.load(graph)
    negative = encode(graph, clip, "", "Negative prompt")
    layout = prompt_layout(graph, flavour, model, clip, negative, flavour.pick("a rabbit", "a photo of a rabbit"))
    text, word = flavour.pick("a tiger", "a photo of a tiger with stripes"), flavour.pick("tiger", "stripes")
    grid = graph.add("ValueGrid", x_values="-1, 0, 0.5, 1, 1.5, 2", **SWEEP)
    node = reweighted(graph, model, clip, text, word, grid(0))
    mix = mixed(graph, flavour, node(0), node(1), negative, layout(0), **flavour.window(flavour.pick(0.75, 0.6)))
    save_sheet(graph, vae, mix, grid, f"a rabbit's layout, {word} times s")
    shown(graph, vae, layout(1))
    return graph


def heat_maps(flavour: Flavour) -> Graph:
    graph = Graph("""
        **Where each word is in the picture.** The recorder watches the sampler's run; Cross-Attn Maps draws what it saw.

        Show Prompt Tokens lists the words of the prompt.
        """)
    model, clip, vae = flavour.load(graph)
    text = flavour.pick(
        "a cat to the left of a car on green grass", "a photo of a corgi and a coffee machine", "a birthday cake in noto style"
    )
    negative = encode(graph, clip, "", "Negative prompt")
    positive = guided(graph, flavour, encode(graph, clip, text, "Prompt"))
    words = flavour.pick("cat, car", "corgi, coffee machine, photo", "birthday, cake, noto")
    recorder = graph.add("CrossAttnRecord", model=model, clip=clip, text=text, words=words, resolution="16")
    latent = plain(graph, flavour, recorder(0), positive, negative)
    pictures = graph.add("VAEDecode", samples=latent, vae=vae)()
    maps = graph.add("CrossAttnMaps", recording=recorder(1), images=pictures, opacity=0.7, legend=True)()
    sheet = graph.add("ContactSheet", images=maps, labels="", columns=0, title=text)()
    tokens = graph.add("PromptTokens", clip=clip, text=text)
    graph.add("PreviewAny", "Tokens", source=tokens())
    graph.add("SaveImage", images=sheet, filename_prefix="magicmix")
    return graph


def edited(flavour: Flavour, note: str, source: str, target: str, k_min: float = 1.0, watched: str = "", **settings) -> Graph:
    """A prompt's picture, with the place of its `watched` word, and the picture of the changed prompt."""
    graph = Graph(note)
    model, clip, vae = flavour.load(graph)
    negative = encode(graph, clip, "", "Negative prompt")
    if watched:
        layout = drawn(graph, flavour, model, clip, vae, negative, (source, watched, 0.3)).layout
    else:
        own = prompt_layout(graph, flavour, model, clip, negative, source)
        shown(graph, vae, own(1))
        layout = own(0)
    inputs = {"model": model, "clip": clip, "layout": layout, "source_text": source, "target_text": target}
    choice = {"edit": "auto", "cross_steps": 0.8, "self_steps": 0.4, "words": "", "local_blend": "", "word_steps": ""} | settings
    node = graph.add("PromptToPrompt", **inputs, **choice)
    window = flavour.window(1.0, k_max=1.0, k_min=k_min)
    save(graph, vae, mixed(graph, flavour, node(0), guided(graph, flavour, node(1)), negative, layout, **window))
    return graph


def word_swap(flavour: Flavour) -> Graph:
    note = """
        **A word exchanged.** The changed prompt takes the attention of the first one, so the picture stays and only what the word names changes.

        Lower `self_steps`, then `cross_steps`, where the new thing needs another shape. The left picture is the layout's own.
        """
    texts = (
        flavour.pick("a dog to the left of a car on green grass", "a photo of a cat riding a bicycle", "a dog"),
        flavour.pick("a cat to the left of a car on green grass", "a photo of a dog riding a bicycle", "a cat"),
    )
    return edited(flavour, note, *texts, cross_steps=flavour.edit_steps, self_steps=flavour.edit_steps / 2)


def refinement(flavour: Flavour) -> Graph:
    note = """
        **Words added.** What both prompts say keeps its place; the new words find theirs.
        """
    texts = (
        flavour.pick("a pig on green grass", "a photo of a house"),
        flavour.pick("a pig wearing a crown on green grass", "a photo of a house in the snow"),
    )
    return edited(flavour, note, *texts)


def recolour(flavour: Flavour) -> Graph:
    note = """
        **A colour added.** With `make_room` on, the new word takes its attention from the others. Off, as published, it adds its own on top: the car
        would stay red here. The left picture is the layout's own.
        """
    texts = (
        flavour.pick("a cat to the left of a car on green grass", "a photo of a cat beside a car"),
        flavour.pick("a cat to the left of a yellow car on green grass", "a photo of a cat beside a yellow car"),
    )
    return edited(flavour, note, *texts, make_room=True)


def reweighted_edit(flavour: Flavour) -> Graph:
    note = """
        **A word exchanged and made stronger.** `words` scales words of the changed prompt on top of the edit.
        """
    texts = (
        flavour.pick("a red car on green grass", "a photo of a lion"),
        flavour.pick("a blue car on green grass", "a photo of a tiger"),
    )
    return edited(flavour, note, *texts, words=flavour.pick("blue:1.5", "tiger:1.5"))


def local_blend(flavour: Flavour) -> Graph:
    note = """
        **All but the words' place kept.** Where the words of `local_blend` are, the picture may change; everywhere else the layout's own comes out.
        The mask works as nu in the MagicMix sampler, so it needs `nu` 1, `k_max` 1 and `k_min` 0 there. *Where the word is* shows about which place that is.
        """
    texts = (
        flavour.pick("a penguin on a gift box on a beach", "a photo of a cat on a chair"),
        flavour.pick("a frog on a gift box on a beach", "a photo of a dog on a chair"),
    )
    words = flavour.pick(("penguin", "frog"), ("cat", "dog"))
    return edited(flavour, note, *texts, k_min=0.0, watched=words[0], local_blend=", ".join(words))


WORD_GRAPHS = [
    reweight_sheet,
    concept_removal,
    magicmix_reweight,
    heat_maps,
    word_swap,
    refinement,
    recolour,
    reweighted_edit,
    local_blend,
]

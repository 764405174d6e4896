"""Graphs of MagicMix: mixing, layouts, nu and sweeps."""

from collections.abc import Callable

from building import (
    Flavour,
    Graph,
    Link,
    content_prompt,
    encode,
    image_latent,
    image_layout,
    mixed,
    picture,
    prompt_layout,
    prompts,
    save,
    save_sheet,
    shown,
)


def magicmix(flavour: Flavour) -> Graph:
    graph = Graph("""
        **A picture mixed with a prompt, in one node.** Choose a picture, write what it becomes, and press Run.

        `strength` says how much: 0 is the picture, 1 the prompt alone. *Compare with the layout* shows both under a slider.
        """)
    model = {} if flavour.draws_without_one else dict(zip(("model", "clip", "vae"), flavour.load(graph), strict=True))
    image = picture(graph, flavour, "pumpkin", "Your picture")
    mix = graph.add("MagicMix", image=image, prompt=flavour.pick("a cat", "a fox"), strength=0.5, seed=1, **model)()
    graph.add("SaveImage", images=mix, filename_prefix="magicmix")
    return graph


def image_text(flavour: Flavour) -> Graph:
    graph = Graph("""
        **MagicMix, image and text.** The picture gives the layout, the content prompt says what it becomes.

        Load another picture, change the prompt, then move `nu`: towards 1 the prompt wins, towards 0 the layout.
        """)
    return image_mix(graph, flavour, "", *flavour.pick(("a fox on green grass", 0.75), ("a fox", flavour.nu)))


def image_mix(graph: Graph, flavour: Flavour, sample: str, content_text: str, nu: float, **changes) -> Graph:
    """A picture mixed with a prompt; `changes` are of the sampler's other inputs."""
    model, clip, vae = flavour.load(graph)
    layout = image_layout(graph, flavour, vae, sample)
    content, negative = prompts(graph, flavour, clip, content_text)
    save(graph, vae, mixed(graph, flavour, model, content, negative, layout, **flavour.window(nu, **changes)))
    return graph


def image_text_custom_sampler(flavour: Flavour) -> Graph:
    graph = Graph("""
        **The same mix in the core's modular sampling.** MagicMix Sampler turns any SAMPLER into one that mixes the layout in;
        guider, scheduler and noise are the core's. The latent sets size and batch only.
        """)
    model, clip, vae = flavour.load(graph)
    text = flavour.pick("a frog", "a fox")
    latent = image_latent(graph, flavour, vae, "donut")
    layout = graph.add("MagicMixLayoutNoise", latent=latent, seed=1, noise="shared")()
    if flavour.cfg == 1:
        ends, guide = {"conditioning": content_prompt(graph, flavour, clip, text)}, "BasicGuider"
    else:
        content, negative = prompts(graph, flavour, clip, text)
        ends, guide = {"positive": content, "negative": negative, "cfg": flavour.cfg}, "CFGGuider"
    base = graph.add("KSamplerSelect", sampler_name="dpmpp_2m")()
    sampler = graph.add("MagicMixSampler", sampler=base, layout=layout, **flavour.window(flavour.pick(0.7, flavour.nu)))()
    guider = graph.add(guide, model=model, **ends)()
    schedule = {name: flavour.sampling[name] for name in ("scheduler", "steps")}
    sigmas = graph.add("BasicScheduler", model=model, **schedule, denoise=1.0)()
    noise = graph.add("RandomNoise", noise_seed=1)()
    inputs = {"noise": noise, "guider": guider, "sampler": sampler, "sigmas": sigmas, "latent_image": latent}
    save(graph, vae, graph.add("SamplerCustomAdvanced", **inputs)())
    return graph


def text_text(flavour: Flavour) -> Graph:
    graph = Graph("""
        **MagicMix, text and text.** Both come from prompts: the layout prompt gives shapes, colours and places, the content prompt
        what they become. The left picture is the layout's own.
        """)
    return text_mix(graph, flavour, *flavour.pick(("a donut", "a frog", 0.7), ("a photo of a corgi", "a photo of a coffee machine", 0.75)))


def text_mix(graph: Graph, flavour: Flavour, layout_text: str, content_text: str, nu: float) -> Graph:
    model, clip, vae = flavour.load(graph)
    content, negative = prompts(graph, flavour, clip, content_text)
    layout = prompt_layout(graph, flavour, model, clip, negative, layout_text)
    save(graph, vae, mixed(graph, flavour, model, content, negative, layout(0), **flavour.window(nu)))
    shown(graph, vae, layout(1))
    return graph


def novel_object(flavour: Flavour) -> Graph:
    graph = Graph("""
        **Novel object synthesis.** An animal in the shape of a thing: the thing is the layout, the animal the content.

        Raise `nu` when the thing stays a thing, lower it when only the animal is left.
        """)
    return text_mix(graph, flavour, *flavour.pick(("a watermelon", "a lion", 0.8), ("a photo of a watermelon", "a photo of a lamp", 0.75)))


def breed_mixing(flavour: Flavour) -> Graph:
    graph = Graph("""
        **Breed mixing.** Two animals, one body: alike things mix with a lower `nu`.
        """)
    return text_mix(graph, flavour, *flavour.pick(("a rabbit", "a tiger", 0.75), ("a photo of a rabbit", "a photo of a tiger", 0.6)))


def style_transfer(flavour: Flavour) -> Graph:
    graph = Graph("""
        **Semantic style transfer.** Load a sign, a letter or a logo as the layout; the content prompt says what it is made of.

        A high `k_min` keeps the sign's outline, since the prompt gets few free steps.
        """)
    return image_mix(graph, flavour, "soccer ball", *flavour.pick(("a watermelon", 0.8), ("a photo of watermelon", 0.5)), k_min=0.2)


def sketch(flavour: Flavour) -> Graph:
    graph = Graph("""
        **A sketch becomes a scene.** A few plain shapes say what is where and in which colour; the content prompt says what they are.

        Draw yours in any program and load it. Lower `nu` where its shapes get lost, raise it where they stay shapes.
        """)
    text = flavour.pick("a house to the left of a palm tree on green grass", "a photo of a house and a tree on a meadow")
    return image_mix(graph, flavour, "sketch", text, 0.7)


def nu_map(flavour: Flavour) -> Graph:
    graph = Graph("""
        **nu for each place.** White parts of the mask follow the prompt, black parts keep the layout: here the right half mixes more.

        Connect any MASK, for example one painted in the mask editor.
        """)
    model, clip, vae = flavour.load(graph)
    layout = image_layout(graph, flavour, vae, "pumpkin")
    content, negative = prompts(graph, flavour, clip, "a fox")
    low = graph.add("SolidMask", "Left: little content", value=0.5, width=64, height=64)()
    high = graph.add("SolidMask", "Right: much more", value=0.4, width=32, height=64)()
    mask = graph.add("MaskComposite", destination=low, source=high, x=32, y=0, operation="add")()
    save(graph, vae, mixed(graph, flavour, model, content, negative, layout, nu_map=mask, **flavour.window(0.5)))
    return graph


def balance(flavour: Flavour) -> Graph:
    graph = Graph("""
        **nu that finds itself.** MagicMix Balance tries some nus and keeps the one at which as much of the layout remains as `target` says:
        0.5 is as near to the layout as to what the prompt draws alone.

        The sheet shows all tries. Take the `nu` that it gives to other nodes.
        """)
    model, clip, vae = flavour.load(graph)
    content, negative = prompts(graph, flavour, clip, flavour.pick("a frog", "a photo of a coffee machine"))
    layout = prompt_layout(graph, flavour, model, clip, negative, flavour.pick("a donut", "a photo of a corgi"))
    inputs = {"model": model, "positive": content, "negative": negative, "layout": layout(0), "vae": vae, "cfg": flavour.cfg}
    window = {"target": 0.5, "tries": 6, "k_max": flavour.k_max, "k_min": flavour.k_min}
    found = graph.add("MagicMixBalance", **inputs | window, **flavour.sampling)
    graph.add("PreviewImage", "All tries", images=found(2))
    save(graph, vae, found(0))
    return graph


def nu_curve(flavour: Flavour) -> Graph:
    graph = Graph("""
        **nu as a curve.** `nu_curve` says nu for each noise level: the mix begins close to the layout and lets the prompt take over towards the end.

        Write points as *noise level : nu*, 1 for pure noise; the strip below them shows which steps they mean.
        """)
    curve = flavour.pick("0.85:0.5, 0.6:0.75, 0.35:1", "0.6:0.4, 0.45:0.7, 0.3:0.95")
    return image_mix(graph, flavour, "pumpkin", "a fox", 0.5, nu_curve=curve)


def nu_words(flavour: Flavour) -> Graph:
    graph = Graph("""
        **nu by words.** Where a word of the content prompt is in the picture, its own nu counts; the sampler's `nu` holds everywhere else.

        Click the words below the prompt and scroll on them to change their nu.
        """)
    model, clip, vae = flavour.load(graph)
    text = flavour.pick("a house to the left of a palm tree on green grass", "a photo of a fox in the snow")
    layout = image_layout(graph, flavour, vae, "sketch")
    content, negative = prompts(graph, flavour, clip, text)
    words = flavour.pick("house:0.9, grass:0.3", "fox:0.85, snow:0.3")
    model = graph.add("MagicMixNuWords", model=model, clip=clip, text=text, nu_words=words)()
    save(graph, vae, mixed(graph, flavour, model, content, negative, layout, **flavour.window(0.5)))
    return graph


def inversion_layout(flavour: Flavour) -> Graph:
    graph = Graph("""
        **A real picture, inverted.** The picture is followed back to its own noise, so that the mix stays closer to it than under plain noise.

        Say in the layout prompt what the picture shows; an empty one is fine. The picture is followed up to `k_max` of the mix only, which is all that
        the mix reads: raise both together.
        """)
    model, clip, vae = flavour.load(graph)
    latent = image_latent(graph, flavour, vae, "pumpkin")
    content, negative = prompts(graph, flavour, clip, "a fox")
    described = encode(graph, clip, "", "Layout prompt")
    inputs = {
        "model": model,
        "positive": described,
        "latent": latent,
        "steps": flavour.sampling["steps"],
        "scheduler": "ddim_uniform",
        "refinements": 2,
    }
    layout = graph.add("MagicMixLayoutInversion", **inputs, k_max=flavour.k_max)(0)
    save(graph, vae, mixed(graph, flavour, model, content, negative, layout, **flavour.window(flavour.pick(0.75, 0.7))))
    return graph


def swept(note: str, flavour: Flavour, title: str, grid_inputs: dict, window: Callable[[Callable[[int], Link]], dict]) -> Graph:
    """An image mixed with a prompt once for each value of a grid, on one sheet; `window` says which inputs the values feed."""
    graph = Graph(note)
    model, clip, vae = flavour.load(graph)
    layout = image_layout(graph, flavour, vae, "donut")
    content, negative = prompts(graph, flavour, clip, flavour.pick("a frog", "a fox"))
    grid = graph.add("ValueGrid", **grid_inputs)
    save_sheet(graph, vae, mixed(graph, flavour, model, content, negative, layout, **window(grid)), grid, title)
    return graph


def nu_sheet(flavour: Flavour) -> Graph:
    note = """
        **A sheet over nu** (the paper's Figure 6): the same mix from most of the layout to all prompt.
        """
    grid = {"x_values": "0.5, 0.6, 0.7, 0.8, 0.9, 1", "y_values": "", "x_name": "nu", "y_name": ""}
    return swept(note, flavour, "nu", grid, lambda values: flavour.window(values(0)))


def k_sheet(flavour: Flavour) -> Graph:
    note = """
        **A sheet over K** (the paper's Figure 5): `k_max` and `k_min` are the same, so nothing is mixed; the picture starts from the layout
        under more and more noise.
        """
    grid = {"x_values": "0.3, 0.4, 0.5, 0.6, 0.7, 0.9", "y_values": "", "x_name": "K", "y_name": ""}
    return swept(note, flavour, "K = k_max = k_min", grid, lambda values: flavour.window(1.0, k_max=values(0), k_min=values(0)))


def nu_k_min_sheet(flavour: Flavour) -> Graph:
    note = """
        **A sheet over two values**: nu along the rows, `k_min` down the columns.
        """
    grid = {"x_values": "0.5, 0.7, 0.8, 0.9", "y_values": "0.1, 0.3, 0.5", "x_name": "nu", "y_name": "k_min"}
    return swept(note, flavour, "nu and k_min", grid, lambda values: flavour.window(values(0), k_min=values(1)))


def prompt_interpolation(flavour: Flavour) -> Graph:
    graph = Graph("""
        **Mixing prompts against MagicMix** (the paper's Figure 2). Above, the core averages the two prompts; below, MagicMix mixes the second
        prompt into the layout of the first, over the same values.
        """)
    model, clip, vae = flavour.load(graph)
    first, second = flavour.pick("a donut", "a photo of a corgi"), flavour.pick("a frog", "a photo of a coffee machine")
    content, negative = prompts(graph, flavour, clip, second)
    layout = prompt_layout(graph, flavour, model, clip, negative, first)
    layout_prompt = next([node_id, 0] for node_id, node in graph.nodes.items() if node["_meta"]["title"] == "Layout prompt")
    latent = next([node_id, 0] for node_id, node in graph.nodes.items() if node["class_type"] == "EmptyLatentImage")
    grid = graph.add("ValueGrid", x_values="0, 0.5, 0.6, 0.7, 0.8, 1", y_values="", x_name="share", y_name="")
    average = graph.add("ConditioningAverage", conditioning_to=content, conditioning_from=layout_prompt, conditioning_to_strength=grid(0))()
    inputs = {"model": model, "positive": average, "negative": negative, "latent_image": latent, "cfg": flavour.cfg, "denoise": 1.0}
    save_sheet(graph, vae, graph.add("KSampler", **inputs, **flavour.sampling)(), grid, "averaged prompts")
    mix = mixed(graph, flavour, model, content, negative, layout(0), **flavour.window(grid(0)))
    save_sheet(graph, vae, mix, grid, "MagicMix")
    shown(graph, vae, layout(1))
    return graph


MIXING_GRAPHS = [
    magicmix,
    image_text,
    image_text_custom_sampler,
    text_text,
    novel_object,
    breed_mixing,
    style_transfer,
    sketch,
    nu_map,
    balance,
    nu_curve,
    nu_words,
    inversion_layout,
    nu_sheet,
    k_sheet,
    nu_k_min_sheet,
    prompt_interpolation,
]

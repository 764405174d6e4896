"""Random graphs that are meant to run: every node of the pack, wired as a user may wire it, with what the server says of its inputs.

A graph depends on its seed and on the nodes' schemas alone.
"""

from random import Random

Link = list
DEMO = "MagicMixDemoCheckpoint"
THINGS = ["dog", "lion", "tiger", "castle", "donut", "mushroom", "owl", "pizza", "rocket", "crown"]
SIDES = (32, 48, 64)
"""Pixels: latents of 4 to 8 places along a side."""
UNMADE = ("CLIP_VISION",)
"""Kinds that nothing here makes: optional inputs of them stay empty."""


class GraphBuilder:
    """One graph in the API's form as it grows: `nodes` by id."""

    def __init__(self, random: Random, schemas: dict, side: int | None = None):
        """`schemas` is what the server's /object_info says; `side` fixes the pictures' size, in pixels, at one picture a batch."""
        self.random, self.schemas, self.nodes = random, schemas, {}
        self.thing, self.other = random.sample(THINGS, 2)
        self.source_text, self.target_text = f"a {self.other} on grass", f"a {self.thing} on grass"
        self.steps, self.seed = random.randint(2, 4), random.randrange(1000)
        self.size = {"width": random.choice(SIDES), "height": random.choice(SIDES), "batch_size": random.choice((1, 1, 2))}
        if side is not None:
            self.size = {"width": side, "height": side, "batch_size": 1}
        self.demo = self.add(DEMO)

    def add(self, class_type: str, **given) -> str:
        """A node with the `given` inputs; the others get values that are allowed, the optional ones every other time."""
        listed, inputs = self.schemas[class_type]["input"], {}
        for group in ("required", "optional"):
            for name, (kind, *options) in listed.get(group, {}).items():
                if name in given:
                    inputs[name] = given[name]
                elif group == "required" or (kind not in UNMADE and self.random.random() < 0.5):
                    inputs[name] = self._value(name, kind, options[0] if options else {})
        if {"k_max", "k_min"} <= inputs.keys():
            inputs["k_min"], inputs["k_max"] = sorted((inputs["k_min"], inputs["k_max"]))
        if inputs.get("nu_curve"):  # which stands alone
            inputs |= {"nu_curve": ""} if "nu_map" in inputs else {"nu_schedule": "constant"}
        self.nodes[str(len(self.nodes) + 1)] = {"class_type": class_type, "inputs": inputs | given}
        return str(len(self.nodes))

    def encoded(self, text: str) -> Link:
        return [self.add("CLIPTextEncode", clip=self.link("CLIP"), text=text), 0]

    def link(self, kind: str) -> Link:
        """An output of this kind, from the checkpoint or from new nodes of the host. Raises KeyError for a kind that none makes."""
        return {
            "MODEL": lambda: [self.demo, 0],
            "CLIP": lambda: [self.demo, 1],
            "VAE": lambda: [self.demo, 2],
            "CONDITIONING": lambda: self.encoded(self.target_text),
            "LATENT": self._latent,
            "IMAGE": lambda: [self.add("EmptyImage", **self.size, color=self.random.randrange(1 << 24)), 0],
            "MASK": lambda: [self.add("SolidMask", value=self.random.random(), width=8, height=8), 0],
            "SAMPLER": lambda: [self.add("KSamplerSelect"), 0],
            "SIGMAS": lambda: [self.add("BasicScheduler", model=self.link("MODEL"), steps=self.steps, denoise=1.0), 0],
            "GUIDER": lambda: [self.add("CFGGuider", cfg=3.0), 0],
            "NOISE": lambda: [self.add("RandomNoise", noise_seed=self.seed), 0],
            "MAGICMIX_LAYOUT": self.layout,
            "MAGICMIX_MAPS": lambda: [self.add("CrossAttnRecord", text=self.target_text), 1],
            "*": lambda: [self.demo, 0],
        }[kind]()

    def layout(self, kinds: tuple[str, ...] = ("Noise", "FromPrompt", "Inversion"), **given) -> Link:
        kind = self.random.choice(kinds)
        whole = {"k_max": 1.0} if kind == "Inversion" else {}  # wherever it is sampled from
        made = [self.add(f"MagicMixLayout{kind}", **whole | given), 0]
        further = self.random.random()
        if further < 0.15:
            return [self.add("MagicMixLayoutTransform", layout=made, turn="none"), 0]
        return [self.add("MagicMixLayoutBlend", first=made, second=made), 0] if further < 0.3 else made

    def _latent(self) -> Link:
        made = self.random.choice(("EmptyLatentImage", "VAEEncode", "LatentMultiply"))
        if made == "EmptyLatentImage":
            return [self.add(made, **self.size), 0]
        if made == "VAEEncode":
            return [self.add(made, pixels=self.link("IMAGE"), vae=self.link("VAE")), 0]
        noise = self.add("VAEEncode", pixels=self.link("IMAGE"), vae=self.link("VAE"))
        return [self.add(made, samples=[noise, 0], multiplier=self.random.uniform(0.5, 1.5)), 0]

    def _value(self, name: str, kind: str | list, options: dict):
        named = {
            "text": self.target_text,
            "source_text": self.source_text,
            "target_text": self.target_text,
            "words": self.random.choice(("", self.thing, f"{self.thing}:1.5", f"{self.thing}:2, grass:-1")),
            "nu_curve": self.random.choice(("", "0.5:0.4", "1:0.9, 0.6:0.2, 0:1")),
            "nu_words": self.random.choice((self.thing, f"{self.thing}:0.9, grass:0.1")),
            "word_steps": self.random.choice(("", f"{self.thing}:0.4", "grass:0")),
            "local_blend": "",
            "attention_blocks": self.random.choice(("", "4", "4-5")),
            "feature_blocks": self.random.choice(("", "4")),
            "x_values": self.random.choice(("0.25", "0:1:2", "0.2, 0.9")),
            "y_values": self.random.choice(("", "0.5")),
            "labels": self.random.choice(("", "one")),
            "steps": self.steps,
            "seed": self.seed,
            "cfg": self.random.choice((1.0, 4.0)),
            "refinements": self.random.choice((0, 1)),
            "tries": self.random.choice((3, 4)),
            "columns": self.random.choice((0, 1, 3)),
        }
        if name in named:
            return named[name]
        if isinstance(kind, list) or kind == "COMBO":
            return self.random.choice(kind if isinstance(kind, list) else options["options"])
        if kind == "FLOAT":
            return round(self.random.uniform(max(options.get("min", 0), -4.0), min(options.get("max", 1), 4.0)), 2)
        if kind == "INT":
            return self.random.randint(options.get("min", 0), min(options.get("max", 4), options.get("min", 0) + 4))
        if kind == "BOOLEAN":
            return self.random.random() < 0.5
        if kind == "STRING":
            return options.get("default", "")
        return self.link(kind)


def valid_graph(random: Random, schemas: dict, side: int | None = None) -> dict:
    """A graph of one of the pack's uses, with the demo checkpoint in it."""
    builder = GraphBuilder(random, schemas, side)
    random.choice(USES)(builder)
    return builder.nodes


def _drawn(builder: GraphBuilder, model: Link, positive: Link, layout: Link | None) -> Link:
    """A latent: drawn by the core's sampler, or by one of the pack's from a layout."""
    negative = builder.encoded("")
    which = builder.random.choice(("KSampler", "MagicMixKSampler", "MagicMixSampler")) if layout else "KSampler"
    given = {"model": model, "positive": positive, "negative": negative}
    if which == "KSampler":
        empty = [builder.add("EmptyLatentImage", **builder.size), 0]
        return [builder.add(which, **given, latent_image=empty, denoise=1.0), 0]
    maps = {} if builder.random.random() < 0.7 else {"nu_map": builder.link("MASK")}
    if which == "MagicMixKSampler":
        return [builder.add(which, **given, layout=layout, **maps), 0]
    guider = [builder.add("CFGGuider", **given, cfg=3.0), 0]
    latent = [builder.add("EmptyLatentImage", **builder.size), 0]
    mixing = [builder.add(which, sampler=builder.link("SAMPLER"), layout=layout, **maps), 0]
    return [builder.add("SamplerCustomAdvanced", guider=guider, sampler=mixing, latent_image=latent, noise=builder.link("NOISE")), 0]


def _shown(builder: GraphBuilder, output: Link) -> None:
    builder.add("PreviewAny", source=output)


def _pictures(builder: GraphBuilder, latent: Link) -> Link:
    return [builder.add("VAEDecode", samples=latent, vae=builder.link("VAE")), 0]


def one_step(builder: GraphBuilder) -> None:
    """With little strength: the node takes 50 steps, of which few then run."""
    checkpoint = {name: builder.link(name.upper()) for name in ("model", "clip", "vae")}
    image = builder.link("IMAGE") if builder.random.random() < 0.5 else [builder.add("MagicMixSamplePicture"), 0]
    strength = round(builder.random.uniform(0, 0.1), 2)
    node = builder.add("MagicMix", image=image, prompt=builder.target_text, strength=strength, **checkpoint)
    if builder.random.random() < 0.5:
        for name in checkpoint:
            del builder.nodes[node]["inputs"][name]
    _shown(builder, [node, 0])


def mix(builder: GraphBuilder) -> None:
    _shown(builder, _drawn(builder, builder.link("MODEL"), builder.encoded(builder.target_text), builder.link("MAGICMIX_LAYOUT")))


def reweighting(builder: GraphBuilder) -> None:
    edit = builder.add("CrossAttnReweight", text=builder.target_text)
    layout = builder.link("MAGICMIX_LAYOUT") if builder.random.random() < 0.5 else None
    _shown(builder, _drawn(builder, [edit, 0], [edit, 1], layout))


def prompt_layout(builder: GraphBuilder) -> Link:
    positive, latent = builder.encoded(builder.source_text), [builder.add("EmptyLatentImage", **builder.size), 0]
    return builder.layout(("FromPrompt", "Inversion"), positive=positive, latent=latent)


def word_edit(builder: GraphBuilder) -> None:
    layout = prompt_layout(builder)
    blended = builder.random.random() < 0.3
    edit = builder.add("PromptToPrompt", layout=layout, local_blend=builder.thing if blended else "")
    if blended:
        given = {"model": [edit, 0], "positive": [edit, 1], "negative": builder.encoded(""), "layout": layout}
        _shown(builder, [builder.add("MagicMixKSampler", **given, k_max=1.0, k_min=0.0), 0])
    else:
        _shown(builder, _drawn(builder, [edit, 0], [edit, 1], layout))


def structure(builder: GraphBuilder) -> None:
    layout = prompt_layout(builder)
    model = [builder.add("PlugAndPlayFeatures", layout=layout), 0]
    _shown(builder, _drawn(builder, model, builder.encoded(builder.target_text), layout))


def all_doors(builder: GraphBuilder) -> None:
    layout = prompt_layout(builder)
    first = builder.add("PromptToPrompt", layout=layout)
    followed = builder.add("PlugAndPlayFeatures", layout=layout, model=[first, 0])
    watched = builder.add("CrossAttnRecord", model=[followed, 0], text=builder.target_text)
    _maps(builder, watched, _drawn(builder, [watched, 0], [first, 1], layout))


def heat_maps(builder: GraphBuilder) -> None:
    watched = builder.add("CrossAttnRecord", text=builder.target_text)
    layout = builder.link("MAGICMIX_LAYOUT") if builder.random.random() < 0.3 else None
    _maps(builder, watched, _drawn(builder, [watched, 0], builder.encoded(builder.target_text), layout))


def _maps(builder: GraphBuilder, watched: str, latent: Link) -> None:
    overlays = builder.add("CrossAttnMaps", recording=[watched, 1], images=_pictures(builder, latent), latent=latent)
    _shown(builder, [builder.add("ContactSheet", images=[overlays, 0], labels=""), 0])


def word_nus(builder: GraphBuilder) -> None:
    model = [builder.add("MagicMixNuWords", text=builder.target_text), 0]
    given = {"positive": builder.encoded(builder.target_text), "negative": builder.encoded("")}
    _shown(builder, [builder.add("MagicMixKSampler", model=model, layout=builder.link("MAGICMIX_LAYOUT"), **given), 0])


def balanced(builder: GraphBuilder) -> None:
    given = {"positive": builder.encoded(builder.target_text), "negative": builder.encoded("")}
    layout = builder.layout(("Noise",), latent=[builder.add("EmptyLatentImage", **builder.size | {"batch_size": 1}), 0])
    balance = builder.add("MagicMixBalance", layout=layout, **given)
    builder.nodes[balance]["inputs"].pop("clip", None)  # which goes with a CLIP vision model
    _shown(builder, [balance, 2])


def layouts(builder: GraphBuilder) -> None:
    kind = builder.random.choice(("FromPrompt", "Inversion"))
    _shown(builder, [builder.add(f"MagicMixLayout{kind}"), 1])


def sweep(builder: GraphBuilder) -> None:
    grid = builder.add("ValueGrid")
    layout = builder.link("MAGICMIX_LAYOUT")
    given = {"layout": layout, "positive": builder.encoded(builder.target_text), "negative": builder.encoded("")}
    latent = [builder.add("MagicMixKSampler", **given, nu=[grid, 0]), 0]
    _shown(builder, [builder.add("ContactSheet", images=_pictures(builder, latent), columns=[grid, 3], labels=""), 0])


def flow_edit(builder: GraphBuilder) -> None:
    flow = [builder.add("ModelSamplingSD3", model=builder.link("MODEL"), shift=3.0), 0]
    prompts = {"source": builder.encoded(builder.source_text), "target": builder.encoded(builder.target_text)}
    _shown(builder, [builder.add("MagicMixFlowEdit", model=flow, **prompts, negative=builder.encoded("")), 0])


def tokens(builder: GraphBuilder) -> None:
    _shown(builder, [builder.add("PromptTokens", text=builder.target_text), 0])


USES = (
    one_step,
    mix,
    mix,
    reweighting,
    word_edit,
    word_edit,
    structure,
    all_doors,
    heat_maps,
    word_nus,
    balanced,
    layouts,
    sweep,
    flow_edit,
    tokens,
)

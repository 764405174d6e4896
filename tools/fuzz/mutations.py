"""What is done to a graph to make it hostile: values, links, shapes and lists that no careful user would wire."""

import copy
from random import Random

NAN, INF = float("nan"), float("inf")
NUMBERS = [0, 1, -1, 2, 0.5, -0.5, 1.5, 7, 10_001, 2**63, -(2**64), 1e300, NAN, INF, -INF]
ODD = [None, True, "", "many", "3", [], {}, [1, 2], ["1"], {"a": 1}]
WORDS = [
    *("", " ", "\n", ",", ":", "dog:", ":1", "dog:nan", "dog:1e400", "dog:inf", "lion:2:3", "cat", "grass, grass", "GRASS", "'s", "."),
    *(
        "(dog:1e400)",
        "(dog:nan)",
        "(((",
        "))",
        "(a lion:1.3) on (grass:0)",
        "{a|b}",
        "\\",
        "a \\(lion\\) on grass",
        "a lion BREAK on grass",
    ),
    *(
        "embedding:",
        "embedding:nothing",
        "a embedding:x lion",
        "ライオン 草",
        "рыжий лев",
        "أسد",
        "🦁🦁",
        "e\u0301",
        "\u200b",
        "\x00",
        "\ud800",
        "\u202e",
    ),
    *("a lion on grass", "a dog on grass", "a", "<|endoftext|>", "a<|startoftext|>b", "4-", "-4", "4-2", "99", "0-11", "1;2", "1,,2"),
    *("0:1:0", "0:1:-1", "0:1:1001", "0:1:1.5", "1:0:3", "nan", "inf", "1e400", "0:1:5:2", "0x10", "1_0", "٣"),
]
LONG = ["a lion on grass " * 40, "lion " * 500, "ein sehr langes wort" * 50, "🦁" * 500]
HUGE = ["lion " * 2000, "x" * 1_000_000, "a lion, " * 125_000]
HOSTILE = "Hostile"
"""How the names of the test-only nodes begin that make what no node of the host makes."""
SMALL = [8, 16, 24, 40, 72]


def mutated_graph(random: Random, graph: dict, schemas: dict, pack: set[str]) -> dict:
    """A copy of `graph` with one to three mutations, most of them of inputs of the `pack`'s nodes."""
    graph = copy.deepcopy(graph)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        random.choice(MUTATIONS)(random, graph, schemas, pack)
    return graph


def a_value(random: Random, graph: dict, schemas: dict, pack: set[str]) -> None:
    """A typed value that is odd."""
    inputs, name = _input(random, graph, pack, links=False)
    if name is None:
        return
    if isinstance(inputs[name], str):
        inputs[name] = random.choice(WORDS if random.random() < 0.9 else ODD + LONG)
    else:
        inputs[name] = random.choice(NUMBERS + ODD)


def a_long_text(random: Random, graph: dict, schemas: dict, pack: set[str]) -> None:
    """A text of kilobytes, seldom of megabytes. The host's own nodes are spared, which take minutes over them."""
    texts = [
        (node["inputs"], name)
        for node in graph.values()
        if node["class_type"] in pack
        for name, value in node["inputs"].items()
        if isinstance(value, str)
    ]
    if texts:
        inputs, name = random.choice(texts)
        inputs[name] = random.choice(LONG if random.random() < 0.8 else HUGE)


def a_value_by_link(random: Random, graph: dict, schemas: dict, pack: set[str]) -> None:
    """An odd value, or a list, where a typed one was: links are not checked by the server."""
    inputs, name = _input(random, graph, pack, links=False)
    if name is None:
        return
    kind = "STRING" if isinstance(inputs[name], str) else "INT" if isinstance(inputs[name], int) else "FLOAT"
    core = {"STRING": "PrimitiveString", "INT": "PrimitiveInt", "FLOAT": "PrimitiveFloat"}[kind]
    odd = (
        random.choice(WORDS)
        if kind == "STRING"
        else random.choice([value for value in NUMBERS if kind == "FLOAT" or value == int_or_none(value)])
    )
    made = random.choice((core, core, f"{HOSTILE}{kind.title()}", "ValueGrid"))
    if made == core:
        inputs[name] = [_added(random, graph, made, {"value": odd}), 0]
    elif made == "ValueGrid":
        grid = _added(
            random, graph, made, {"x_values": random.choice(("0.5", "0:1:3", "-1, 2")), "y_values": "", "x_name": "", "y_name": ""}
        )
        inputs[name] = [grid, {"STRING": 2, "INT": 3, "FLOAT": random.choice((0, 1))}[kind]]
    else:
        inputs[name] = [_added(random, graph, made, {"which": _which(random, schemas, made)}), 0]


def a_hostile_link(random: Random, graph: dict, schemas: dict, pack: set[str]) -> None:
    """A tensor or a conditioning that no node of the host makes, where a sane one was."""
    inputs, name = _input(random, graph, pack, links=True)
    if name is None:
        return
    source = graph.get(str(inputs[name][0]))
    kinds = schemas[source["class_type"]]["output"] if source and source["class_type"] in schemas else []
    kind = kinds[inputs[name][1]] if inputs[name][1] in range(len(kinds)) else None
    made = f"{HOSTILE}{str(kind).title()}"
    if made in schemas:
        inputs[name] = [_added(random, graph, made, {"which": _which(random, schemas, made)}), 0]


def another_link(random: Random, graph: dict, schemas: dict, pack: set[str]) -> None:
    """Any output of any node, of the right type more often than not."""
    inputs, name = _input(random, graph, pack, links=True)
    if name is None:
        return
    outputs = [[node_id, n] for node_id, node in graph.items() for n in range(len(schemas.get(node["class_type"], {}).get("output", [])))]
    source, number = inputs[name]
    if random.random() < 0.8:
        kind = _kind(graph, schemas, [source, number])
        outputs = [link for link in outputs if _kind(graph, schemas, link) == kind] or outputs
    inputs[name] = random.choice([*outputs, [source, 9], [source, -1], ["nowhere", 0]]) if random.random() < 0.2 else random.choice(outputs)


def a_shape(random: Random, graph: dict, schemas: dict, pack: set[str]) -> None:
    """Another size, batch, channel count or mask for a latent, an image or a mask on its way."""
    linked = [
        (node["inputs"], name)
        for node in graph.values()
        for name, value in node["inputs"].items()
        if isinstance(value, list) and len(value) == 2
    ]
    random.shuffle(linked)
    for inputs, name in linked:
        kind = _kind(graph, schemas, inputs[name])
        if kind in SHAPES:
            class_type, values = random.choice(SHAPES[kind])(random, inputs[name])
            inputs[name] = [_added(random, graph, class_type, values), 0]
            return


def another_prompt(random: Random, graph: dict, schemas: dict, pack: set[str]) -> None:
    """A conditioning changed on its way: another prompt, an area, a mask, a late start, none at all."""
    linked = [
        (node["inputs"], name) for node in graph.values() for name in ("positive", "negative") if isinstance(node["inputs"].get(name), list)
    ]
    if not linked:
        return
    inputs, name = random.choice(linked)
    class_type, values = random.choice(CONDITIONINGS)(random, inputs[name])
    inputs[name] = [_added(random, graph, class_type, values), 0]


def another_model(random: Random, graph: dict, schemas: dict, pack: set[str]) -> None:
    """The model patched on its way by a node of the host."""
    linked = [node["inputs"] for node in graph.values() if isinstance(node["inputs"].get("model"), list)]
    if linked:
        inputs = random.choice(linked)
        class_type, values = random.choice(MODELS)
        inputs["model"] = [_added(random, graph, class_type, {"model": inputs["model"], **values}), 0]


def a_broken_graph(random: Random, graph: dict, schemas: dict, pack: set[str]) -> None:
    node = random.choice(list(graph.values()))
    kind = random.randrange(5)
    if kind == 0 and node["inputs"]:
        del node["inputs"][random.choice(list(node["inputs"]))]
    elif kind == 1:
        node["inputs"][random.choice(("surplus", "", "🦁"))] = random.choice(ODD)
    elif kind == 2:
        node["class_type"] = random.choice(("NoSuchNode", "", *sorted(pack)))
    elif kind == 3 and node["inputs"]:
        node["inputs"][random.choice(list(node["inputs"]))] = [random.choice(list(graph)), random.choice((0, 1, 5, -1))]
    elif node["inputs"]:
        node["inputs"] = dict(list(node["inputs"].items())[::-1])


MUTATIONS = (
    *(a_value, a_value, a_value, a_value_by_link, a_value_by_link, a_hostile_link, a_hostile_link, another_link, a_shape, another_prompt),
    *(another_model, a_long_text, a_broken_graph),
)
SHAPES = {
    "LATENT": (
        lambda random, link: ("RepeatLatentBatch", {"samples": link, "amount": random.choice((2, 3))}),
        lambda random, link: (
            "LatentUpscale",
            {"samples": link, "upscale_method": "bilinear", "width": random.choice(SMALL), "height": 64, "crop": "disabled"},
        ),
        lambda random, link: ("EmptySD3LatentImage", {"width": 64, "height": random.choice((16, 64)), "batch_size": 1}),
        lambda random, link: ("EmptyHunyuanLatentVideo", {"width": 64, "height": 64, "length": random.choice((1, 5)), "batch_size": 1}),
        lambda random, link: ("EmptyLatentAudio", {"seconds": 1.0, "batch_size": 1}),
        lambda random, link: ("LatentMultiply", {"samples": link, "multiplier": random.choice((0.0, 10.0, NAN, INF))}),
    ),
    "IMAGE": (
        lambda random, link: ("RepeatImageBatch", {"image": link, "amount": random.choice((2, 3))}),
        lambda random, link: (
            "EmptyImage",
            {"width": random.choice((1, 8, 65)), "height": 64, "batch_size": random.choice((1, 4)), "color": 0},
        ),
        lambda random, link: ("ImageCrop", {"image": link, "width": 1, "height": 1, "x": 0, "y": 0}),
    ),
    "MASK": (
        lambda random, link: (
            "SolidMask",
            {"value": random.choice((-1.0, 0.0, 1.0, 2.0, NAN)), "width": random.choice((1, 8, 500)), "height": 1},
        ),
        lambda random, link: ("InvertMask", {"mask": link}),
    ),
}
CONDITIONINGS = (
    lambda random, link: ("ConditioningZeroOut", {"conditioning": link}),
    lambda random, link: ("ConditioningSetArea", {"conditioning": link, "width": 64, "height": 64, "x": 0, "y": 0, "strength": 1.0}),
    lambda random, link: (
        "ConditioningSetTimestepRange",
        {"conditioning": link, "start": random.choice((0.0, 0.6, 1.0)), "end": random.choice((0.3, 1.0))},
    ),
    lambda random, link: ("ConditioningCombine", {"conditioning_1": link, "conditioning_2": link}),
    lambda random, link: ("ConditioningConcat", {"conditioning_to": link, "conditioning_from": link}),
    lambda random, link: (
        "ConditioningAverage",
        {"conditioning_to": link, "conditioning_from": link, "conditioning_to_strength": random.choice((0.0, 0.5))},
    ),
)
MODELS = [
    ("HyperTile", {"tile_size": 64, "swap_size": 2, "max_depth": 0, "scale_depth": False}),
    ("TomePatchModel", {"ratio": 0.3}),
    (
        "PatchModelAddDownscale",
        {
            "block_number": 3,
            "downscale_factor": 2.0,
            "start_percent": 0.0,
            "end_percent": 0.35,
            "downscale_after_skip": True,
            "downscale_method": "bicubic",
            "upscale_method": "bicubic",
        },
    ),
    ("FreeU_V2", {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}),
    ("RescaleCFG", {"multiplier": 0.7}),
    ("PerturbedAttentionGuidance", {"scale": 3.0}),
    ("SelfAttentionGuidance", {"scale": 0.5, "blur_sigma": 2.0}),
    ("ModelSamplingDiscrete", {"sampling": "v_prediction", "zsnr": True}),
    ("ModelSamplingContinuousEDM", {"sampling": "edm", "sigma_max": 120.0, "sigma_min": 0.002}),
]


def int_or_none(value) -> int | None:
    """The value as a whole number of at most 64 bits, which is what PrimitiveInt lets through."""
    return value if isinstance(value, int) and abs(value) < 2**63 else None


def _input(random: Random, graph: dict, pack: set[str], links: bool) -> tuple[dict, str | None]:
    """The inputs of a node, one of the pack's if there is such a choice, and the name of one that is linked or not."""
    found = [
        (node["class_type"] in pack, node["inputs"], name)
        for node in graph.values()
        for name, value in node["inputs"].items()
        if (isinstance(value, list) and len(value) == 2) == links
    ]
    ours = [entry for entry in found if entry[0]]
    # What the host's nodes are given is theirs to check: sizes there could ask for more memory than there is.
    chosen = random.choice(ours) if ours else (False, {}, None)
    return chosen[1], chosen[2]


def _kind(graph: dict, schemas: dict, link: list) -> str | None:
    node = graph.get(str(link[0]))
    outputs = schemas.get(node["class_type"], {}).get("output", []) if node else []
    return outputs[link[1]] if isinstance(link[1], int) and link[1] in range(len(outputs)) else None


def _which(random: Random, schemas: dict, made: str) -> str:
    (choices, *_) = schemas[made]["input"]["required"]["which"]
    return random.choice(choices)


def _added(random: Random, graph: dict, class_type: str, inputs: dict) -> str:
    node_id = f"m{len(graph)}"
    graph[node_id] = {"class_type": class_type, "inputs": inputs}
    return node_id

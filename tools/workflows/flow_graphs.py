"""Graphs for flow-matching models: Stable Diffusion 3.5, and the demo checkpoint's transformer."""

from building import LAYOUT, Flavour, Graph, encode, image_latent, save, shown
from word_graphs import plain


def flow_edit(flavour: Flavour) -> Graph:
    beginning = flavour.pick(
        "The demo model draws the picture itself. For one of yours put Load Image and VAE Encode in its place;", "Load your picture and"
    )
    graph = Graph(f"""
        **A picture edited by two prompts.** The source prompt says what the picture shows, the target prompt what it shall show; FlowEdit moves the
        picture by the difference of the two, without following it back to noise.

        {beginning} describe it in both prompts; change the words that shall change. Too little change: raise `target_cfg`, then `k_max`.
        Too much: lower `k_max`.
        """)
    model, clip, vae = flavour.load(graph)
    texts = flavour.pick(("a dog", "a cat"), ("a drawing of a girl on a meadow", "a drawing of a robot on a meadow"))
    source, target, negative = (
        encode(graph, clip, text, title)
        for text, title in zip((*texts, ""), ("Source prompt", "Target prompt", "Negative prompt"), strict=True)
    )
    graph.parts[source[0]] = LAYOUT
    if flavour.is_demo:
        latent = plain(graph, flavour, model, source, negative, LAYOUT)
        shown(graph, vae, latent)
    else:
        latent = image_latent(graph, flavour, vae, heading="Picture to edit")
    prompts = {"source": source, "target": target, "negative": negative}
    guidance = flavour.pick({"source_cfg": 1.5, "target_cfg": 5.5}, {"source_cfg": 3.5, "target_cfg": 13.5})
    settings = {"seed": 1, "steps": flavour.pick(flavour.sampling["steps"], 50), **guidance, "scheduler": "simple"}
    window = {"k_max": flavour.pick(0.85, 0.66), "k_min": 0.0}
    save(graph, vae, graph.add("MagicMixFlowEdit", model=model, latent=latent, **prompts, **settings, **window)())
    return graph


FLOW_GRAPHS = [flow_edit]

"""Graphs for flow-matching models. The demo checkpoint is none, so they are made for Stable Diffusion 3.5 alone."""

from building import LAYOUT, Flavour, Graph, encode, image_latent, save


def flow_edit(flavour: Flavour) -> Graph:
    graph = Graph("""
        **A picture edited by two prompts.** The source prompt says what the picture shows, the target prompt what it shall show; FlowEdit moves the
        picture by the difference of the two, without following it back to noise.

        Load your picture and describe it in both prompts; change the words that shall change. Too little change: raise `target_cfg`, then `k_max`.
        Too much: lower `k_max`.
        """)
    model, clip, vae = flavour.load(graph)
    latent = image_latent(graph, flavour, vae, "Picture to edit")
    prompts = {
        "source": encode(graph, clip, "a drawing of a girl on a meadow", "Source prompt"),
        "target": encode(graph, clip, "a drawing of a robot on a meadow", "Target prompt"),
        "negative": encode(graph, clip, "", "Negative prompt"),
    }
    graph.parts[prompts["source"][0]] = LAYOUT
    settings = {"seed": 1, "steps": 50, "source_cfg": 3.5, "target_cfg": 13.5, "scheduler": "simple"}
    window = {"k_max": 0.66, "k_min": 0.0}
    save(graph, vae, graph.add("MagicMixFlowEdit", model=model, latent=latent, **prompts, **settings, **window)())
    return graph


FLOW_GRAPHS = [flow_edit]

"""What a graph connects otherwise than its user will have meant, in words for the node that is concerned."""

from collections.abc import Mapping

from comfy_execution.utils import get_executing_context

from ...magicmix_core.encodings import first_difference, text_of
from ...magicmix_core.layout import Layout
from ...magicmix_core.prompts import Prompt
from .graph import links_of, name_of, output_type, running_graph, upstream

CHOSEN_ANEW = "a text with {a|b} is chosen anew in every node: write it once and connect it to both"


def half_connected(graph: Mapping[str, dict], node_id: str | None) -> list[str]:
    """Where the edit of this node, model and conditioning its first two outputs, goes with one of them only and so does nothing.

    What samples has an input of each kind. Empty outside a graph.
    """
    found, whole = [], False
    for other in graph:
        links = links_of(graph, other).values()
        kinds = {kind: [link for link in links if output_type(graph, link) == kind] for kind in ("MODEL", "CONDITIONING")}
        if not all(kinds.values()):
            continue
        reached = [
            any((node_id, output) in upstream(graph, link, kind) for link in kinds[kind])
            for output, kind in enumerate(("MODEL", "CONDITIONING"))
        ]
        whole = whole or all(reached)
        if any(reached) and not all(reached):
            found.append((name_of(graph[other]["class_type"]), reached[0]))
    return [
        f"{name} gets this node's {'model' if has_model else 'conditioning'} but not its {'conditioning' if has_model else 'model'}, so nothing is edited there: connect both"
        for name, has_model in dict.fromkeys(found)
        if not (has_model and whole)  # a model that is edited for one prompt may well draw another one too
    ]


def half_connected_here() -> str:
    """The same for the node that the host is looking at, whose inputs it has not made yet."""
    context = get_executing_context()
    return "\n".join(half_connected(running_graph(context.prompt_id), context.node_id)) if context else ""


def unlike_the_layout(source: Prompt, layout: Layout) -> list[str]:
    """Whether `source` is another prompt than the one the layout was made with."""
    same = max((first_difference(source.encoding, text_of(*entry)) for entry in layout.conditioning), default=0)
    if same == source.encoding.shape[1]:
        return []
    word = next((word.text for word in source.finder.words if same in word.columns), None)
    begins = f", from {word!r} on" if word else ""
    return [f"source_text is not the prompt that the layout was made with{begins} ({CHOSEN_ANEW})"]

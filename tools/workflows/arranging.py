"""Where nodes stand in the page: in parts with titles, in two rows, at sizes that hold in both of its renderers, before and after a run."""

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from building import CONTENT, LAYOUT, MIX, Graph

WIDTH, NOTE_WIDTH, SHEET_WIDTH = 315, 360, 560
GAP, BETWEEN_GROUPS = 24, 30
TITLE, GROUP_TITLE, PADDING = 30, 40, 14
WINDOW, MARGIN = (1440, 900), (72, 150)  # pixels: the window, and its edges that the page's own bars take, on the left and above
SCALES = (0.62, 1.0)  # below the first the classic renderer leaves out all text
CAPTION = 12
COLOURS = {LAYOUT: "#8A5A2B", CONTENT: "#2B6A8A", MIX: "#3B7A4B"}
# What the page shows below the widgets: the pack's own elements, texts of a run, tables.
BELOW = {
    "MagicMixKSampler": 88,
    "MagicMixSampler": 88,
    "CrossAttnReweight": 64,
    "CrossAttnRecord": 64,
    "PromptToPrompt": 116 + 40,
    "CrossAttnMaps": 232,
    "ContactSheet": 42,
    "MagicMix": 42,
    "PromptTokens": 56,
    "PreviewAny": 300,
}
NOTE_LETTER, NOTE_LINE, NOTE_PARAGRAPH, NOTE_EDGE = 6.9, 22, 14, 34

Box = tuple[float, float, float, float]
"""Left, top, width and height, title bars included."""


@dataclass(frozen=True)
class Columns:
    """Places of nodes beside the left top of them all, and how much room they take."""

    places: dict[str, tuple[float, float]]
    width: float
    height: float


@dataclass(frozen=True)
class Arrangement:
    """`boxes` of the nodes by their ids and of the note, `groups` with their titles and colours, and how the page looks at it first."""

    boxes: dict[str, Box]
    note: Box
    groups: list[tuple[str, Box, str]]
    view: dict


def note_height(text: str) -> float:
    """Of the note with this Markdown text."""
    paragraphs = textwrap.dedent(text).strip().split("\n\n")
    letters = (NOTE_WIDTH - 40) / NOTE_LETTER
    lines = sum(len(textwrap.wrap(paragraph.replace("*", "").replace("`", ""), int(letters))) for paragraph in paragraphs)
    return max(120, TITLE + NOTE_EDGE + lines * NOTE_LINE + (len(paragraphs) - 1) * NOTE_PARAGRAPH)


def node_size(node: dict, schema: dict, widgets: list[tuple[str, str, dict]], aspect: float) -> tuple[float, float]:
    """Width and height; `widgets` are names, types and options of its inputs that are widgets, `aspect` a saved picture's height to its width."""
    sheet = node["class_type"] == "SaveImage" and aspect < 0.7
    width = SHEET_WIDTH if sheet else WIDTH
    linked = sum(isinstance(value, list) for value in node["inputs"].values())
    names = {name for name, _, _ in widgets}
    sockets = sum(name not in names for group in ("required", "optional") for name in schema["input"].get(group, {}))
    texts = sum(kind == "STRING" and not options.get("multiline") for _, kind, options in widgets)
    areas = sum(bool(options.get("multiline")) for _, _, options in widgets)
    numbers = len(widgets) - texts - areas + sum(bool(options.get("control_after_generate")) for _, _, options in widgets)
    height = 56 + 20 * max(sockets, len(schema["output"]), min(linked, 1)) + 26 * numbers + 34 * texts + 72 * areas
    height += BELOW.get(node["class_type"], 0) + 28 * (schema["category"] == "MagicMix")
    if node["class_type"] in ("LoadImage", "MagicMixSamplePicture", "PreviewImage"):
        height += WIDTH + CAPTION
    if node["class_type"] == "SaveImage":
        height += max(width * aspect, 212) + CAPTION
    return width, height


def arrange(graph: Graph, sizes: dict[str, tuple[float, float]]) -> Arrangement:
    """The arrangement that the page can show largest."""
    order = list(_in_order(graph))
    parts = {part: [node_id for node_id in order if graph.parts[node_id] == part] for part in (None, LAYOUT, CONTENT, MIX)}
    columns = {part: _ways(parts[part], sizes) for part in (LAYOUT, CONTENT, MIX) if parts[part]}
    tried = (_arranged(graph.note, parts[None], sizes, dict(zip(columns, each, strict=True))) for each in product(*columns.values()))
    return max(tried, key=lambda arrangement: arrangement.view["fits"])


def _ways(ids: list[str], sizes: dict[str, tuple[float, float]]) -> list[Columns]:
    """Nodes one below the other in one column, in two, and so on, each as low as can be."""
    whole = sum(sizes[node_id][1] + GAP for node_id in ids)
    ways = sorted((_columns(ids, sizes, 20 * n) for n in range(int(whole / 20) + 2)), key=lambda way: way.height)
    return list({way.width: way for way in reversed(ways)}.values())


def _arranged(note: str, models: list[str], sizes: dict[str, tuple[float, float]], parts: dict[str, Columns]) -> Arrangement:
    """The note with the models below it, the layout beside it with the content below that, and the mix beside both."""
    boxes: dict[str, Box] = {}
    groups: list[tuple[str, Box, str]] = []

    def place(part: str, left: float, above: float) -> Box:
        columns = parts[part]
        for node_id, (x, y) in columns.places.items():
            boxes[node_id] = (left + PADDING + x, above + GROUP_TITLE + y, *sizes[node_id])
        title = part if len(parts) == 3 else {LAYOUT: "Picture", CONTENT: "Prompt", MIX: "Mix" if LAYOUT in parts else "Picture"}[part]
        box = (left, above, columns.width + 2 * PADDING, columns.height + GROUP_TITLE + PADDING)
        groups.append((f"{len(groups) + 1} {title}", box, COLOURS[part]))
        return box

    around_note = (0.0, 0.0, float(NOTE_WIDTH), note_height(note))
    below = around_note[3] + GAP
    for node_id in models:
        boxes[node_id] = (0.0, below, *sizes[node_id])
        below += sizes[node_id][1] + GAP
    left, above, right = NOTE_WIDTH + BETWEEN_GROUPS, 0.0, 0.0
    for part in (LAYOUT, CONTENT):
        if part in parts:
            box = place(part, left, above)
            above, right = above + box[3] + BETWEEN_GROUPS, max(right, box[0] + box[2])
    place(MIX, right + BETWEEN_GROUPS, 0.0)
    return Arrangement(boxes, around_note, groups, _view([around_note, *boxes.values(), *(box for _, box, _ in groups)]))


def _columns(ids: list[str], sizes: dict[str, tuple[float, float]], height: float) -> Columns:
    """Nodes one below the other in columns of at most this height."""
    places, left, above, width, used = {}, 0.0, 0.0, 0.0, 0.0
    for node_id in ids:
        wide, high = sizes[node_id]
        if above and above + high > height:
            left, above, width = left + width + GAP, 0.0, 0.0
        places[node_id] = (left, above)
        above, width = above + high + GAP, max(width, wide)
        used = max(used, above - GAP)
    return Columns(places, left + width, used)


def _in_order(graph: Graph) -> Iterator[str]:
    """Ids such that every node follows those it needs, and follows them soon."""
    done: set[str] = set()

    def visit(node_id: str) -> Iterator[str]:
        if node_id in done:
            return
        done.add(node_id)
        for value in graph.nodes[node_id]["inputs"].values():
            if isinstance(value, list):
                yield from visit(value[0])
        yield node_id

    for node_id in graph.nodes:
        yield from visit(node_id)


def _view(boxes: list[Box]) -> dict:
    """What the page looks at first. Left to itself, Nodes 2.0 fits the graph in while it measures it, and misplaces it."""
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    size = max(box[0] + box[2] for box in boxes) - left, max(box[1] + box[3] for box in boxes) - top
    room = [whole - edge - 16 for whole, edge in zip(WINDOW, MARGIN, strict=True)]
    fits = min(there / needed for there, needed in zip(room, size, strict=True))
    scale = math.floor(100 * min(max(fits, SCALES[0]), SCALES[1])) / 100
    offset = [round(margin / scale - low) for margin, low in zip(MARGIN, (left, top), strict=True)]
    return {"scale": scale, "offset": offset, "fits": fits}

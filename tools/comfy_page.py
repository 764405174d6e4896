"""ComfyUI's own page in a real browser, used the way people use it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

# A root's Chromium needs the first; the others keep it to itself: no page but the server's own can be reached.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
USED_BEFORE = {  # or it opens with templates and news
    "Comfy.TutorialCompleted": True,
    "Comfy.InstalledVersion": "1.32.9",
    "Comfy.Notification.ShowVersionUpdates": False,
}
READY = """() => window.app?.extensionManager && !app.extensionManager.spinner
    && Object.keys(LiteGraph.registered_node_types).length > 100 && document.querySelector('#graph-canvas')"""
FOLLOW_RUNS = """() => {
    window.ends = []
    for (const end of ['execution_success', 'execution_error', 'execution_interrupted'])
        app.api.addEventListener(end, event => window.ends.push(end))
}"""
TOASTS = ".p-toast-message, li[data-swipe-direction]"  # in older pages, in newer ones
PANEL = "[data-testid=properties-panel]"  # in newer pages
NO_INTERNET = "ERR_NAME_NOT_RESOLVED"  # the page asks a registry about every node that is not the core's own


@dataclass
class ComfyPage:
    """One open page. `vue` is the new renderer, "Nodes 2.0": elements of the page instead of a canvas."""

    page: Page
    vue: bool
    errors: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, browser: Browser, url: str, vue: bool = False, settings: dict | None = None) -> "ComfyPage":
        """`settings` are the page's own; the server keeps them for pages that are opened later."""
        settings = USED_BEFORE | {"Comfy.Validation.Workflows": True, "Comfy.VueNodes.Enabled": vue} | (settings or {})
        httpx.post(f"{url}/settings", json=settings).raise_for_status()
        opened = cls(browser.new_page(viewport={"width": 1600, "height": 1000}), vue)
        opened.page.set_default_timeout(10_000)
        opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
        opened.page.on("console", opened._listen)
        opened.page.goto(url, timeout=90_000)
        opened.page.wait_for_function(READY, timeout=90_000)
        opened.page.evaluate(FOLLOW_RUNS)
        return opened

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error" and NO_INTERNET not in message.text:
            path = re.sub(r"^https?://[^/]*", "", message.location["url"])
            if path.startswith("/api/jobs") or "Jobs API" in message.text or "JobsApiError" in message.text:
                return  # a page that is newer than the host asks for what that does not have
            self.errors.append(f"{message.text.splitlines()[0]} ({path})")

    def load(self, graph: dict) -> None:
        """As if its file were dropped on the page. Leaves time for what the page has to say about it."""
        self.page.evaluate("graph => app.loadGraphData(graph, true, true, null)", graph)
        self.page.wait_for_timeout(250)

    def clear(self) -> None:
        self.page.evaluate("() => app.graph.clear()")

    def exported(self) -> dict:
        """The graph as the Run button sends it, without its titles."""
        # As text, because the page leaves undefined values in the object itself.
        graph = json.loads(self.page.evaluate("async () => JSON.stringify((await app.graphToPrompt()).output)"))
        for node in graph.values():
            if node["class_type"] == "PreviewAny":
                node["inputs"] = {"source": node["inputs"]["source"]}  # without the text it shows, which the page sends along
        return {node_id: {"class_type": node["class_type"], "inputs": node["inputs"]} for node_id, node in graph.items()}

    def overlaps(self) -> list[list[str]]:
        """Titles of nodes that lie over each other, in pairs."""
        return self.page.evaluate(
            """vue => {
                const box = node => {
                    if (!vue) return node.getBounding()
                    const { x, y, width, height } = document.querySelector(`[data-node-id='${node.id}']`).getBoundingClientRect()
                    return [x, y, width, height]
                }
                const boxes = app.graph._nodes.map(node => [node.title, ...box(node)])
                const apart = ([, x, y, w, h], [, x2, y2, w2, h2]) => x + w <= x2 || x2 + w2 <= x || y + h <= y2 || y2 + h2 <= y
                return boxes.flatMap((one, i) => boxes.slice(i + 1).filter(other => !apart(one, other)).map(other => [one[0], other[0]]))
            }""",
            self.vue,
        )

    def strangers(self) -> list[list[str]]:
        """Titles of groups and of nodes that lie half in and half out of them."""
        return self.page.evaluate(
            """() => app.graph._groups.flatMap(group => {
                const [x, y, w, h] = group._bounding ?? group.boundingRect
                const cut = node => {
                    const [x2, y2, w2, h2] = node.getBounding()
                    const apart = x + w <= x2 || x2 + w2 <= x || y + h <= y2 || y2 + h2 <= y
                    const inside = x <= x2 && x2 + w2 <= x + w && y <= y2 && y2 + h2 <= y + h
                    return !apart && !inside
                }
                return app.graph._nodes.filter(cut).map(node => [group.title, node.title])
            })"""
        )

    def show_pictures(self, images: dict[str, dict]) -> None:
        """As if a run had ended with these images, by the type of the node that shows them; waits until they are there."""
        shown = [node_id for node_type in images for node_id in self.find(node_type)]
        self.page.evaluate(
            """images => {
                for (const node of app.graph._nodes.filter(node => images[node.type])) {
                    const detail = { node: String(node.id), display_node: String(node.id), output: { images: [images[node.type]] }, prompt_id: '' }
                    app.api.dispatchEvent(new CustomEvent('executed', { detail }))
                }
            }""",
            images,
        )
        for node_id in shown:
            self.wait_for_picture(node_id)

    def notes_of_faults(self) -> Locator:
        """What newer pages show instead of a dialog."""
        return self.page.get_by_role("status").filter(has=self.page.get_by_role("button", name="View details"))

    def complaints(self) -> list[str]:
        """What dialogs, toasts, notes of faults and error marks on nodes say."""
        shown = [element.inner_text() for element in [*self.page.locator(f"[role=dialog], {TOASTS}").all(), *self.notes_of_faults().all()]]
        marked = self.page.evaluate("() => app.lastNodeErrors && JSON.stringify(app.lastNodeErrors)")
        return [*shown, *([marked] if marked not in (None, "{}") else [])]

    def fault(self) -> str:
        """What the page says of a run that failed, in one line: in a dialog, or in a note and in the panel that this opens."""
        dialog, note = self.page.locator("[role=dialog]"), self.notes_of_faults()
        expect(dialog.or_(note)).to_be_visible()
        told = dialog.all_inner_texts()
        if not told:
            told = note.all_inner_texts()
            note.get_by_role("button", name="View details").click()
            expect(self.page.locator(PANEL)).to_contain_text("Error detected")
            told += self.page.locator(PANEL).all_inner_texts()
        return " ".join(" ".join(told).split())

    @contextmanager
    def library(self) -> Iterator[Locator]:
        """The library of nodes in the sidebar, while entered."""
        button, library = self.page.get_by_role("button", name="Node Library"), self.page.locator(".sidebar-content-container")
        button.click()
        yield library
        button.click()
        expect(library).to_have_count(0)

    def dismiss(self) -> None:
        """Closes dialogs, toasts and the panel of faults."""
        self.page.evaluate("() => { const { toast } = app.extensionManager; toast.dismissAll ? toast.dismissAll() : toast.removeAll() }")
        expect(self.page.locator(TOASTS)).to_have_count(0)
        dialog = self.page.get_by_role("dialog")
        if dialog.count():
            self.page.keyboard.press("Escape")
            expect(dialog).to_have_count(0)
        if (note := self.notes_of_faults()).count():
            note.get_by_role("button", name="Close").click()
        if self.page.locator(PANEL).count():
            self.page.get_by_role("button", name="Toggle properties panel").click()
            expect(self.page.locator(PANEL)).to_have_count(0)

    def unknown_nodes(self) -> list[str]:
        return self.page.evaluate("() => app.graph._nodes.map(node => node.type).filter(type => !LiteGraph.registered_node_types[type])")

    def add(self, node_type: str) -> int:
        """Adds a node; returns its id."""
        return self.page.evaluate("type => app.graph.add(LiteGraph.createNode(type)).id", node_type)

    def find(self, node_type: str) -> list[int]:
        return self.page.evaluate("type => app.graph._nodes.filter(node => node.type === type).map(node => node.id)", node_type)

    def change(self, widget: str, value) -> None:
        """Sets every widget of that name."""
        self.page.evaluate(
            """([name, value]) => {
                const named = app.graph._nodes.flatMap(node => node.widgets ?? []).filter(widget => widget.name === name)
                for (const widget of named) widget.value = value
            }""",
            [widget, value],
        )

    def unlink(self, node_type: str, name: str) -> None:
        """Takes the link off an input."""
        self.page.evaluate(
            """([type, name]) => {
                const node = app.graph._nodes.find(node => node.type === type)
                node.disconnectInput(node.inputs.findIndex(input => input.name === name))
            }""",
            [node_type, name],
        )

    def press_run(self) -> None:
        # The group of buttons in one version of the page, the button itself in another.
        self.page.locator("[data-testid=queue-button] button[aria-label=Run], button[data-testid=queue-button]").click()

    def press_cancel(self) -> None:
        self.page.get_by_role("button", name="Cancel current run").click()

    def ends(self) -> list[str]:
        """How the runs so far ended: execution_success, execution_error or execution_interrupted."""
        return self.page.evaluate("() => window.ends")

    def next_end(self, before: int, seconds: float = 120) -> str:
        """Waits for the end of the run that follows the `before` first ones."""
        self.page.wait_for_function("before => window.ends.length > before", arg=before, timeout=seconds * 1000)
        return self.ends()[before]

    def run(self) -> str:
        """Presses Run and waits; returns how it ended."""
        before = len(self.ends())
        self.press_run()
        return self.next_end(before)

    def look_at(self, node_id: int) -> None:
        """Moves the view so that the node stands in its middle, at full size."""
        self.page.evaluate(
            """id => {
                app.canvas.ds.scale = 1
                app.canvas.centerOnNode(app.graph.getNodeById(id))
                app.graph.setDirtyCanvas(true, true)
            }""",
            node_id,
        )
        if self.vue:
            self.page.wait_for_timeout(400)  # its elements follow the view by and by
        else:
            self.page.evaluate(
                "() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(drawn))))"
            )

    def part(self, node_type: str, kind: str) -> Locator:
        """The pack's element of a kind (words, window, maps, bar) on the one node of a type, which is brought into view."""
        (node_id,) = self.find(node_type)
        self.look_at(node_id)
        shown = self.page.locator(f".magicmix-{kind}").first
        expect(shown).to_be_visible()
        return shown

    def fit(self) -> None:
        """The whole graph in view, by the page's own command."""
        self.page.evaluate("() => app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        self.page.wait_for_timeout(600)  # it moves there

    def element(self, node_id: int) -> Locator:
        """The node in the new renderer."""
        return self.page.locator(f"[data-node-id='{node_id}']")

    def wait_for_picture(self, node_id: int) -> None:
        """Until the node shows a picture that has arrived whole. Raises playwright's TimeoutError when it does not."""
        shown = "document.querySelectorAll(`[data-node-id='${id}'] img`)" if self.vue else "app.graph.getNodeById(id).imgs ?? []"
        arrived = f"id => {{ const shown = [...{shown}]; return shown.length && shown.every(picture => picture.naturalWidth > 0) }}"
        self.page.wait_for_function(arrived, arg=node_id, timeout=10_000)

    def texts(self, node_id: int) -> str:
        """What the node's widgets hold, one below the other."""
        return self.page.evaluate("id => app.graph.getNodeById(id).widgets.map(widget => widget.value).join('\\n')", node_id)

    def widget_place(self, node_id: int, widget: str) -> tuple[float, float]:
        """Where the name of a widget stands in the window; in the classic renderer."""
        return tuple(
            self.page.evaluate(
                """([id, name]) => {
                    const node = app.graph.getNodeById(id), widget = node.widgets.find(widget => widget.name === name)
                    return app.canvasPosToClientPos([node.pos[0] + 40, node.pos[1] + widget.last_y + 8])
                }""",
                [node_id, widget],
            )
        )

    def screenshot(self, file: Path) -> None:
        self.page.screenshot(path=file)

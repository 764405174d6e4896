/** What the pack's nodes say of a run stays on them: newer pages take such text off a node when the run ends. */
import { app } from "../../../scripts/app.js"
import { addElement, addStyles, make } from "./graph.js"

const ENDS = ["execution_success", "execution_error", "execution_interrupted"]
/** Milliseconds after the end of a run: the page clears its own text on the same events. */
const LATER = 300
const LINE = 17
const notes = new Map()

app.registerExtension({
  name: "MagicMix.Notes",
  setup() {
    app.api.addEventListener("magicmix.note", ({ detail: { node, text } }) => note(String(node), text))
    app.api.addEventListener("executing", ({ detail }) => drop(String(detail)))
    for (const end of ENDS) app.api.addEventListener(end, () => setTimeout(showAll, LATER))
  },
})

function note(id, text) {
  const node = app.graph.getNodeById(id)
  drop(id)
  if (node) notes.set(id, { node, text, widget: null })
}

/** A node that runs again says anew what there is to say. */
function drop(id) {
  const { node, widget } = notes.get(id) ?? {}
  notes.delete(id)
  if (widget) node.removeWidget?.(widget)
}

function showAll() {
  for (const said of notes.values()) {
    const { node, text } = said
    const shown = node.widgets?.some((widget) => widget === said.widget || widget.value === text)
    if (!shown && node.graph) said.widget = show(node, text)
  }
}

function show(node, text) {
  addStyles()
  const element = make("div", { class: "magicmix magicmix-said", role: "status" }, text)
  const widget = addElement(node, "magicmix_said", element, 10 + LINE * text.split("\n").length)
  node.setDirtyCanvas?.(true, true)
  return widget
}

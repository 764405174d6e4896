/** Pictures that the page shows, looked at closely: a mix over its layout under one slider, and each cell of a contact sheet. */
import { app } from "../../../scripts/app.js"
import { addElement, addStyles, make, nodeBefore, nodesAfter, nodesBefore, watch } from "./graph.js"
import { language, say } from "./texts.js"
import { openViewer } from "./viewer.js"

const COMMAND = "MagicMix.Look"
const SAMPLERS = ["MagicMix", "MagicMixKSampler", "MagicMixSampler"]
const HEIGHT = 30
/** Nodes whose pictures other nodes show have a button of their own. */
const BARS = {
  ContactSheet: { says: "look_closer", pictures: (node) => picturesOf(node) },
  MagicMix: { says: "compare", pictures: (node) => picturesOfSampler(node) },
}

app.registerExtension({
  name: "MagicMix.Pictures",
  commands: [{ id: COMMAND, icon: "pi pi-search-plus", get label() { return say("look_closer") }, function: lookAtSelected }],
  getSelectionToolboxCommands: (item) => (mayShow(item) ? [COMMAND] : []),
  getNodeMenuItems: (node) => (mayShow(node) ? [{ content: say("look_closer"), callback: () => look(node) }] : []),
  nodeCreated(node) {
    const bar = BARS[node.comfyClass]
    if (!bar) return
    addStyles()
    const pictures = () => bar.pictures(node)
    const button = make("button", { type: "button", class: "magicmix-button", onclick: () => openViewer(pictures()) })
    const element = make("div", { class: "magicmix magicmix-bar" }, button)
    addElement(node, "magicmix_look", element, HEIGHT, false)
    watch(node, element, () => [language(), pictures().length], () => {
      button.textContent = say(bar.says)
      button.disabled = !pictures().length
    })
  },
})

function lookAtSelected() {
  const [node] = Object.values(app.canvas.selected_nodes ?? {})
  if (node) look(node)
}

function look(node) {
  const pictures = picturesOf(node)
  if (pictures.length) return openViewer(pictures)
  app.extensionManager?.toast?.add?.({ severity: "info", summary: "MagicMix", detail: say("nothing_to_compare"), life: 4000 })
}

/** Whether a run may give this node pictures of ours. */
function mayShow(node) {
  if (!node?.inputs) return false
  return node.comfyClass === "ContactSheet" || (isPictureNode(node) && Boolean(nodeBefore(node, "images")?.comfyClass === "ContactSheet" || mixerOf(node)))
}

function isPictureNode(node) {
  return ["SaveImage", "PreviewImage"].includes(node.comfyClass) || (imagesOf(node).length > 0 && node.comfyClass !== "LoadImage")
}

/** What a node has shown in its last run. */
function shownBy(node) {
  return app.nodeOutputs?.[node.id] ?? {}
}

function imagesOf(node) {
  return shownBy(node).images ?? []
}

/** The pictures to look at on a node that shows some: sheets with their cells, mixes with their layouts. */
export function picturesOf(node) {
  const sheet = node.comfyClass === "ContactSheet" ? node : nodeBefore(node, "images")
  if (sheet?.comfyClass === "ContactSheet") {
    const places = shownBy(sheet).magicmix_sheet ?? []
    const pictureNode = sheet === node ? nodesAfter(node, 0).find((each) => imagesOf(each).length) : node
    if (!pictureNode) return []
    return imagesOf(pictureNode).flatMap((image, number) => (places[number] ? [{ picture: addressOf(image), sheet: places[number] }] : []))
  }
  const mixer = mixerOf(node)
  const layouts = mixer ? layoutPictures(mixer) : []
  if (!layouts.length) return []
  return imagesOf(node).map((image, number) => ({ picture: addressOf(image), layout: layouts[Math.min(number, layouts.length - 1)] }))
}

/** Those of all nodes that show what one of our samplers drew. */
export function picturesOfSampler(sampler) {
  const nodes = Object.keys(app.nodeOutputs ?? {}).map((id) => sampler.graph?.getNodeById?.(id))
  return nodes.filter((node) => node && isPictureNode(node) && mixerOf(node) === sampler).flatMap(picturesOf)
}

/** The sampler of ours that drew the pictures a node shows. */
function mixerOf(node) {
  for (const origin of nodesBefore(node, (input, current) => carriesPictures(input) && !samplerOf(current))) {
    const sampler = samplerOf(origin)
    if (sampler) return SAMPLERS.includes(sampler.comfyClass) ? sampler : null
  }
  return null
}

function carriesPictures(input) {
  return ["IMAGE", "LATENT", "*"].includes(input.type)
}

/** The node itself where it samples, or the one of ours whose SAMPLER it runs. */
function samplerOf(node) {
  if (["MagicMix", "MagicMixKSampler"].includes(node.comfyClass)) return node
  const given = nodeBefore(node, "sampler")
  if (given) return given
  return node.inputs?.some((input) => input.name === "model") && node.outputs?.some((output) => output.type === "LATENT") ? node : null
}

/** Addresses of the pictures of a sampler's layout, as far as the graph shows them anywhere. */
function layoutPictures(sampler) {
  if (sampler.comfyClass === "MagicMix") return picturesBefore(sampler)
  const first = nodeBefore(sampler, "layout")
  if (!first) return []
  const layouts = [first, ...nodesBefore(first, (input) => input.type === "MAGICMIX_LAYOUT")]
  for (const layout of layouts) {
    if (layout.comfyClass === "MagicMixLayoutFromPrompt") {
      const decoded = nodesAfter(layout, 1).flatMap((node) => [node, ...nodesAfter(node, 0)])
      const drawn = decoded.find((node) => imagesOf(node).length)
      if (drawn) return imagesOf(drawn).map(addressOf)
      continue
    }
    const found = picturesBefore(layout)
    if (found.length) return found
  }
  return []
}

/** Addresses of the pictures that a node is given, as far as the graph loads them or shows them. */
function picturesBefore(start) {
  for (const node of nodesBefore(start, carriesPictures)) {
    const loaded = node.comfyClass === "LoadImage" && node.widgets?.find((widget) => widget.name === "image")?.value
    if (typeof loaded === "string") return [addressOf(loadedImage(loaded))]
    if (imagesOf(node).length) return imagesOf(node).map(addressOf)
  }
  return []
}

/** `folder/name.png [output]`, as Load Image has it, in the form of a run's images. */
function loadedImage(name) {
  const [, path, type] = /^(.*?)(?: \[(\w+)\])?$/.exec(name)
  const cut = path.lastIndexOf("/")
  return { filename: path.slice(cut + 1), subfolder: path.slice(0, Math.max(cut, 0)), type: type ?? "input" }
}

export function addressOf({ filename, subfolder, type }) {
  return app.api.apiURL(`/view?${new URLSearchParams({ filename, subfolder: subfolder ?? "", type: type ?? "output" })}`)
}

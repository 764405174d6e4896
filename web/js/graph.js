/** Reading the page's graph: what a node's inputs are set to, what they are linked to, and when that changes. */
import { app } from "../../../scripts/app.js"

const LOOKS_PER_SECOND = 10

/** Where an input's value stands: `{ value }`, or `{ linked: true }` for one that is only known when the graph runs. */
export function settingOf(node, name) {
  const widget = node.widgets?.find((each) => each.name === name)
  const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1
  if (slot < 0 || node.inputs[slot].link == null) return { value: widget?.value }
  const origin = node.getInputNode?.(slot)
  const typed = origin && !origin.inputs?.some((input) => input.link != null) ? origin.widgets : null
  // Behind a node that does nothing but hold one value, as Primitive and String nodes do, that is the value.
  const own = typed?.filter((each) => each.serialize !== false && each.name !== "control_after_generate")
  return own?.length === 1 && origin.outputs?.length === 1 ? { value: own[0].value } : { linked: true }
}

/** Whether an input has a link. */
export function isLinked(node, name) {
  return Boolean(node.inputs?.some((input) => input.name === name && input.link != null))
}

/** What an input or widget is called on the node, in the page's language. */
export function labelOf(node, name) {
  const widget = node.widgets?.find((each) => each.name === name)
  const input = node.inputs?.find((each) => each.name === name)
  return widget?.label || input?.label || input?.localized_name || name
}

/** Sets a widget as if its user had typed the value. */
export function setWidget(node, name, value) {
  const widget = node.widgets.find((each) => each.name === name)
  widget.value = value
  widget.callback?.(value)
  node.graph?.setDirtyCanvas?.(true, true)
}

/** The nodes that an output of a node leads to. */
export function nodesAfter(node, output) {
  return node.getOutputNodes?.(output) ?? []
}

/** The node that an input of a node comes from; null for none. */
export function nodeBefore(node, name) {
  const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1
  return slot < 0 ? null : (node.getInputNode?.(slot) ?? null)
}

/** All nodes that come before a node, nearest first, each given the inputs' names by which it may be left. */
export function* nodesBefore(node, follow) {
  const waiting = [node]
  const seen = new Set(waiting)
  while (waiting.length) {
    const current = waiting.shift()
    for (const input of current.inputs ?? []) {
      const origin = input.link == null || !follow(input, current) ? null : nodeBefore(current, input.name)
      if (!origin || seen.has(origin)) continue
      seen.add(origin)
      waiting.push(origin)
      yield origin
    }
  }
}

const watched = new Map()
let timer = null

/**
 * Calls `show(state)` at once and whenever `read()` gives another state, as long as the node is in a graph and its element in the page.
 * The page tells of changes in other ways in each of its renderers and versions; looking is the same in all.
 */
export function watch(node, element, read, show) {
  let last
  const look = () => {
    const state = read()
    const key = JSON.stringify(state)
    if (key === last) return
    last = key
    show(state)
  }
  watched.set(node, { element, look })
  const onRemoved = node.onRemoved
  node.onRemoved = function (...args) {
    watched.delete(node)
    return onRemoved?.apply(this, args)
  }
  timer ??= setInterval(lookAtAll, 1000 / LOOKS_PER_SECOND)
  return look
}

function lookAtAll() {
  for (const { element, look } of watched.values()) {
    if (element.isConnected) look()
  }
}

/**
 * Adds an element below a node's widgets, of a height in pixels that grows with the node where it may.
 * Nothing of it is saved: graphs are the same bytes with and without it.
 */
export function addElement(node, name, element, height, grows = true) {
  element.style.setProperty("--magicmix-height", `${height}px`)
  const margin = 6
  const widget = node.addDOMWidget(name, "magicmix", element, {
    serialize: false,
    hideOnZoom: false,
    margin,
    getMinHeight: () => height + 2 * margin,
    ...(grows ? {} : { getMaxHeight: () => height + 2 * margin }),
    getValue: () => "",
    setValue: () => {},
  })
  widget.serialize = false
  return widget
}

/** Asks the pack's address on the page's own server; throws an Error with the server's reason. */
export async function ask(address, question) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question) }
  const answer = await app.api.fetchApi(`/magicmix/${address}`, options)
  const said = await answer.json()
  if (!answer.ok) throw new Error(said.error)
  return said
}

/** An element with attributes, event handlers (`onclick`) and children. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value)
    else if (value === true) made.setAttribute(name, "")
    else if (value !== false && value != null) made.setAttribute(name, value)
  }
  made.append(...children.filter((child) => child != null && child !== false))
  return made
}

/** Loads the styles of the pack's elements, once. */
export function addStyles() {
  const address = new URL("../magicmix.css", import.meta.url).href
  if (![...document.styleSheets].some((sheet) => sheet.href === address)) {
    document.head.append(make("link", { rel: "stylesheet", href: address }))
  }
}

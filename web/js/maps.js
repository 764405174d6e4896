/** On Cross-Attn Maps: point at a word, and its map lies over the picture. */
import { app } from "../../../scripts/app.js"
import { addElement, addStyles, make, settingOf, watch } from "./graph.js"
import { addressOf } from "./pictures.js"
import { language, say } from "./texts.js"

const HEIGHT = 220

app.registerExtension({
  name: "MagicMix.Maps",
  nodeCreated(node) {
    if (node.comfyClass === "CrossAttnMaps") new HoverMaps(node)
  },
})

class HoverMaps {
  constructor(node) {
    addStyles()
    Object.assign(this, { node, shown: null, number: 0, word: null })
    this.element = make("div", { class: "magicmix magicmix-maps", role: "group", onkeydown: (event) => this.onKey(event) })
    addElement(node, "magicmix_maps", this.element, HEIGHT)
    const onExecuted = node.onExecuted
    node.onExecuted = function (output, ...more) {
      onExecuted?.call(this, output, ...more)
      if (output?.magicmix_maps) maps.take(output.magicmix_maps)
    }
    const maps = this
    watch(node, this.element, () => [language(), settingOf(node, "opacity").value], () => this.draw())
  }

  /** Everything that the node has shown in this run, one for each of a list that it was run over. */
  take(maps) {
    this.shown = maps.flatMap(({ pictures, words, size, heat, colours }) => pictures.map((picture, row) => ({ picture, words, size, heat: heat[row], colours })))
    this.number = 0
    this.word = null
    this.draw()
  }

  draw() {
    if (!this.shown?.length) return this.element.replaceChildren(make("div", { class: "magicmix-note" }, say("run_for_maps")))
    const { picture, words } = this.shown[this.number]
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.chip : null
    this.image = make("img", { src: addressOf(picture), alt: say("picture_of", { number: this.number + 1, count: this.shown.length }), draggable: "false" })
    this.map = make("canvas", { role: "img", hidden: true })
    const chips = words.map((word, place) => {
      const attributes = {
        type: "button",
        class: "magicmix-chip",
        "data-chip": String(place),
        title: say("map_of", { word }),
        "aria-pressed": String(place === this.word),
        tabindex: place === (this.word ?? 0) ? "0" : "-1",
      }
      const chip = make("button", attributes, word)
      chip.addEventListener("pointerenter", () => this.point(place))
      chip.addEventListener("pointerleave", () => this.point(this.word))
      chip.addEventListener("focus", () => this.point(place))
      chip.addEventListener("blur", () => this.point(this.word))
      chip.addEventListener("click", () => this.keep(place))
      return chip
    })
    const turn = (key, sign, by) => make("button", { type: "button", class: "magicmix-button", "aria-label": say(key), title: say(key), onclick: () => this.turn(by) }, sign)
    const turning = this.shown.length > 1 ? [turn("previous", "‹", -1), turn("next", "›", 1)] : []
    this.element.replaceChildren(
      make("div", { class: "magicmix-row" }, ...chips, ...turning),
      make("div", { class: "magicmix-mapped" }, this.image, this.map),
    )
    this.point(this.word)
    if (focused !== null) this.element.querySelector(`[data-chip="${focused}"]`)?.focus({ preventScroll: true })
  }

  turn(by) {
    this.number = (this.number + by + this.shown.length) % this.shown.length
    this.draw()
  }

  /** A click keeps a word's map until the next one. */
  keep(place) {
    this.word = this.word === place ? null : place
    for (const chip of this.element.querySelectorAll("[data-chip]")) chip.setAttribute("aria-pressed", String(Number(chip.dataset.chip) === this.word))
    this.point(this.word ?? place)
  }

  /** Shows the map of a word; of none for null. */
  point(place) {
    this.map.hidden = place === null
    this.image.classList.toggle("magicmix-grey", place !== null)
    if (place === null) return
    const { words, size, heat, colours } = this.shown[this.number]
    const [height, width] = size
    Object.assign(this.map, { height, width })
    this.map.setAttribute("aria-label", say("map_of", { word: words[place] }))
    this.map.style.opacity = settingOf(this.node, "opacity").value ?? 0.7
    const drawing = this.map.getContext("2d")
    const pixels = drawing.createImageData(width, height)
    heat[place].forEach((level, at) => pixels.data.set([...colourOf(level / 255, colours), 255], 4 * at))
    drawing.putImageData(pixels, 0, 0)
  }

  onKey(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    const chips = [...this.element.querySelectorAll("[data-chip]")]
    const at = chips.indexOf(document.activeElement)
    if (!by || at < 0) return
    event.preventDefault()
    event.stopPropagation()
    const next = chips[(at + by + chips.length) % chips.length]
    for (const chip of chips) chip.tabIndex = chip === next ? 0 : -1
    next.focus({ preventScroll: true })
  }
}

/** Between the stops of a scale, `[[r, g, b], ...]`. */
function colourOf(share, colours) {
  const place = share * (colours.length - 1)
  const below = Math.min(Math.floor(place), colours.length - 2)
  return colours[below].map((channel, each) => channel + (colours[below + 1][each] - channel) * (place - below))
}

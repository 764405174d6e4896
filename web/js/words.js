/** Words of prompts as chips: click one to choose it, scroll or drag it to scale it; a word that is not in the prompt is red at once. */
import { app } from "../../../scripts/app.js"
import { addElement, addStyles, ask, labelOf, make, setWidget, settingOf, watch } from "./graph.js"
import { language, say } from "./texts.js"
import { numbersIn, shown, withoutWords, withWord } from "./word_fields.js"

const STEP = 0.05
const PIXELS_PER_STEP = 4
const PAGE = 10
const MOST_LETTERS = 5000

// `prompts` of a field are those whose words it takes; `number` is what a chosen word stands at without a number of its own.
const NODES = {
  CrossAttnReweight: {
    prompts: ["text"],
    fields: { words: { prompts: [0], number: { from: "scale", low: -2, high: 2 } } },
    height: 52,
  },
  CrossAttnRecord: { prompts: ["text"], fields: { words: { prompts: [0] } }, height: 52 },
  MagicMixNuWords: { prompts: ["text"], fields: { nu_words: { prompts: [0], number: { value: 1, low: 0, high: 1 } } }, height: 52 },
  PromptToPrompt: {
    prompts: ["source_text", "target_text"],
    edit: "edit",
    fields: {
      words: { prompts: [1], number: { value: 1, low: -2, high: 2 } },
      local_blend: { prompts: [0, 1] },
      word_steps: { prompts: [1], number: { from: "cross_steps", low: 0, high: 1 } },
    },
    height: 104,
  },
}

app.registerExtension({
  name: "MagicMix.Words",
  nodeCreated(node) {
    const kind = NODES[node.comfyClass]
    if (kind) new Chips(node, kind)
  },
})

/** What remains of a prompt when it is sent: comments go, and of `{a|b}` one is chosen. */
export function asSent(prompt) {
  const text = prompt.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "")
  const chosen = /(?<!\\)\{[^}]*\|[^}]*\}/.test(text)
  const plain = text.replace(/(?<!\\)[{}]|(?<!\\)\|(?=[^{]*\})/g, " ").replace(/\\([{}|])/g, "$1")
  return { text: chosen ? plain : text.replace(/(?<!\\)[{}]/g, "").replace(/\\([{}|])/g, "$1"), chosen }
}

class Chips {
  constructor(node, kind) {
    addStyles()
    Object.assign(this, { node, kind, asked: 0, answer: null, field: Object.keys(kind.fields)[0] })
    // Nodes 2.0 leaves the wheel to elements that say so; where it is not known this says nothing.
    const attributes = { class: "magicmix magicmix-words", role: "group", "data-capture-wheel": "true" }
    this.element = make("div", { ...attributes, onkeydown: (event) => this.onKey(event) })
    addElement(node, "magicmix_words", this.element, kind.height)
    this.look = watch(node, this.element, () => this.read(), (state) => this.update(state))
  }

  read() {
    const { node, kind } = this
    const settings = Object.fromEntries([...kind.prompts, ...Object.keys(kind.fields)].map((name) => [name, settingOf(node, name)]))
    const numbers = Object.values(kind.fields).map(({ number }) => number?.from && settingOf(node, number.from).value)
    return { settings, numbers, edit: kind.edit && settingOf(node, kind.edit), language: language() }
  }

  async update(state) {
    this.state = state
    const { kind } = this
    const linked = kind.prompts.find((name) => typeof state.settings[name].value !== "string")
    if (linked) return this.show(null, say("over_link", { input: labelOf(this.node, linked) }))
    const sent = kind.prompts.map((name) => asSent(state.settings[name].value))
    if (sent.some(({ text }) => text.length > MOST_LETTERS)) return this.show(null, say("too_long"))
    const fields = Object.keys(kind.fields).filter((name) => typeof state.settings[name].value === "string")
    const question = {
      texts: sent.map(({ text }) => text),
      fields: Object.fromEntries(fields.map((name) => [name, state.settings[name].value])),
      ...(kind.edit && { edit: state.edit.value ?? "auto" }),
    }
    const number = ++this.asked
    try {
      const answer = await ask("words", question)
      if (number === this.asked) this.show(answer, sent.some(({ chosen }) => chosen) ? say("chosen_at_run") : "")
    } catch {
      if (number === this.asked) this.show(null, say("no_answer"))
    }
  }

  show(answer, note) {
    this.answer = answer
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.chip : null
    const parts = [this.choiceOfField()]
    if (answer) {
      parts.push(...this.kind.prompts.map((name, prompt) => this.row(name, prompt)), this.missing(answer))
      if (!answer.words.flat().length) parts.push(make("div", { class: "magicmix-note" }, say("none_yet")))
      if (answer.error) parts.push(make("div", { class: "magicmix-wrong", role: "status" }, answer.error))
      else if (answer.edit) note = [say(answer.edit), note].filter(Boolean).join(" · ")
    }
    if (note) parts.push(make("div", { class: "magicmix-note", role: "status" }, note))
    this.element.replaceChildren(...parts.filter(Boolean))
    this.focus(focused)
  }

  /** Where clicked words go, on nodes with more than one field for words. */
  choiceOfField() {
    const names = Object.keys(this.kind.fields)
    if (names.length === 1) return null
    const buttons = names.map((name) => {
      const choose = () => {
        this.field = name
        this.show(this.answer, "")
        this.focus(`field ${name}`)
      }
      const attributes = { type: "button", role: "radio", "aria-checked": String(name === this.field), "data-chip": `field ${name}` }
      return make("button", { ...attributes, class: "magicmix-field", onclick: choose }, labelOf(this.node, name))
    })
    const label = say("chips_write")
    return make("div", { role: "radiogroup", "aria-label": label, title: label, class: "magicmix-row" }, ...buttons)
  }

  /** A prompt's words. */
  row(name, prompt) {
    const { answer, kind } = this
    const field = kind.fields[this.field]
    const chips = answer.words[prompt].map((word, place) => word && this.chip(word, place, prompt, field.prompts.includes(prompt)))
    const label = labelOf(this.node, name)
    const heading = kind.prompts.length > 1 && make("span", { class: "magicmix-note" }, label)
    const attributes = { role: "group", "aria-label": say("words_of", { prompt: label }), class: "magicmix-row" }
    return make("div", attributes, heading, ...chips.filter(Boolean))
  }

  chip(word, place, prompt, choosable) {
    const chosen = choosable ? this.chosenAt(prompt, place) : []
    const number = this.numberOf(chosen[0])
    const scaled = chosen.length > 0 && number !== null
    const follows = prompt === 1 ? this.answer.follows?.[place]?.map((other) => this.answer.words[0][other]).filter(Boolean) : null
    const isNew = follows && !this.answer.follows[place].length
    const from = follows?.length && follows.join(" ").toLowerCase() !== word.toLowerCase() ? follows.join(" ") : ""
    const facts = [from && say("follows", { word: from }), isNew && say("is_new")].filter(Boolean)
    const name = scaled ? say("word_scale", { word, number: shown(number) }) : word
    const hint = choosable ? say(this.kind.fields[this.field].number ? "hint_scale" : "hint_choose") : ""
    const attributes = {
      type: "button",
      class: ["magicmix-chip", from && "magicmix-swapped", isNew && "magicmix-new"].filter(Boolean).join(" "),
      "data-chip": `${prompt} ${place}`,
      "aria-label": [name, ...facts].join(", "),
      "aria-pressed": choosable ? String(chosen.length > 0) : null,
      "aria-disabled": choosable ? null : "true",
      title: [...facts, hint].filter(Boolean).join("\n"),
      tabindex: "-1",
    }
    const chip = make("button", attributes, from && make("small", {}, `${from} →`), word, scaled && make("small", {}, shown(number)))
    if (choosable) this.listen(chip, word, prompt, place)
    return chip
  }

  listen(chip, word, prompt, place) {
    let start = null
    chip.addEventListener("click", () => {
      if (!chip.dataset.dragged) this.toggle(word, prompt, place)
    })
    chip.addEventListener("pointerdown", (event) => {
      start = event.clientX
      delete chip.dataset.dragged
      event.stopPropagation()
    })
    // On the window, since a chip is made anew while it is dragged; and before others, some of which stop such events.
    const move = (event) => {
      if (start === null || !event.buttons) return
      const steps = Math.trunc((event.clientX - start) / PIXELS_PER_STEP)
      if (!steps) return
      start += steps * PIXELS_PER_STEP
      chip.dataset.dragged = "true"
      this.change(word, prompt, place, steps)
    }
    const end = () => {
      start = null
      window.removeEventListener("pointermove", move, true)
    }
    chip.addEventListener("pointerdown", () => {
      window.addEventListener("pointermove", move, true)
      for (const ending of ["pointerup", "pointercancel"]) window.addEventListener(ending, end, { once: true, capture: true })
    })
    chip.addEventListener("wheel", (event) => {
      // Only a chosen word's: over the others the wheel moves the view, as everywhere.
      if (!this.kind.fields[this.field].number || !this.chosenAt(prompt, place).length) return
      event.preventDefault()
      event.stopPropagation()
      this.change(word, prompt, place, event.deltaY < 0 ? 1 : -1)
    })
  }

  get value() {
    return this.state.settings[this.field].value ?? ""
  }

  /** The entries of the field that stand for a word: `coffee machine` does for both of its words. */
  chosenAt(prompt, place) {
    const places = this.answer.fields[this.field]?.places ?? {}
    return Object.keys(places).filter((entry) => places[entry][prompt].includes(place) && numbersIn(this.value).has(entry))
  }

  /** What an entry stands at; null where words have no numbers. */
  numberOf(entry) {
    const { number } = this.kind.fields[this.field]
    if (!number) return null
    const own = entry === undefined ? null : numbersIn(this.value).get(entry)
    return own ?? (number.from ? Number(settingOf(this.node, number.from).value ?? 1) : number.value)
  }

  toggle(word, prompt, place) {
    const chosen = this.chosenAt(prompt, place)
    this.write(chosen.length ? withoutWords(this.value, chosen) : withWord(this.value, word, null))
  }

  change(word, prompt, place, steps) {
    const { number } = this.kind.fields[this.field]
    if (!number) return
    const entry = this.chosenAt(prompt, place)[0] ?? word
    const before = this.numberOf(numbersIn(this.value).has(entry) ? entry : undefined)
    const wanted = Math.round((before + steps * STEP) * 100) / 100
    // A number beyond the useful ones stays one step at a time.
    const next = Math.min(Math.max(wanted, Math.min(number.low, before)), Math.max(number.high, before))
    this.write(withWord(this.value, entry, next))
  }

  write(value) {
    if (settingOf(this.node, this.field).linked) return
    setWidget(this.node, this.field, value)
    this.state.settings[this.field] = { value }
    this.look()
  }

  /** Words that a field names and no prompt of its has: they are refused when the graph runs. */
  missing(answer) {
    const wrong = Object.entries(answer.fields).flatMap(([name, { places, error }]) => {
      if (error) return [make("div", { class: "magicmix-wrong" }, error)]
      const { prompts } = this.kind.fields[name]
      const lost = Object.keys(places).filter((word) => !prompts.some((prompt) => places[word][prompt].length))
      return lost.map((word) => this.lost(name, word))
    })
    return make("div", { class: "magicmix-row", role: "status" }, ...wrong)
  }

  lost(name, word) {
    const said = `${labelOf(this.node, name)}: ${say("not_there", { word })}`
    const drop = () => {
      setWidget(this.node, name, withoutWords(settingOf(this.node, name).value ?? "", [word]))
      this.look()
    }
    const attributes = { type: "button", class: "magicmix-chip magicmix-lost", title: said, "aria-label": said, tabindex: "-1", onclick: drop }
    return make("button", { ...attributes, "data-chip": `${name} ${word}` }, word)
  }

  /** One stop for the Tab key; arrows go from chip to chip and change numbers. */
  onKey(event) {
    const chips = [...this.element.querySelectorAll("[data-chip]")]
    const at = chips.indexOf(document.activeElement)
    const moves = { ArrowLeft: -1, ArrowRight: 1 }
    const steps = { ArrowUp: 1, ArrowDown: -1, PageUp: PAGE, PageDown: -PAGE }
    if (at < 0 || !(event.key in moves || event.key in steps)) return
    event.preventDefault()
    event.stopPropagation()
    if (event.key in moves) return this.focus(chips[(at + moves[event.key] + chips.length) % chips.length].dataset.chip)
    const [prompt, place] = chips[at].dataset.chip.split(" ").map(Number)
    const choosable = this.kind.fields[this.field].prompts.includes(prompt) && chips[at].hasAttribute("aria-pressed")
    if (choosable) this.change(this.answer.words[prompt][place], prompt, place, steps[event.key])
  }

  focus(name) {
    const chips = [...this.element.querySelectorAll("[data-chip]")]
    const wanted = chips.find((chip) => chip.dataset.chip === name)
    for (const chip of chips) chip.tabIndex = chip === (wanted ?? chips[0]) ? 0 : -1
    wanted?.focus({ preventScroll: true })
  }
}

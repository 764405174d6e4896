/** The mixing window as a strip of the schedule's steps: skipped, mixed as high as nu, and free; with the number of steps that run. */
import { app } from "../../../scripts/app.js"
import { addElement, addStyles, ask, isLinked, labelOf, make, nodeBefore, nodesAfter, settingOf, watch } from "./graph.js"
import { picturesOfSampler } from "./pictures.js"
import { countSteps, readCurve } from "./schedule.js"
import { language, say } from "./texts.js"
import { openViewer } from "./viewer.js"

const HEIGHT = 76
const WINDOW = ["nu", "k_max", "k_min", "nu_schedule", "nu_curve"]
/** Schedulers whose steps are even on the axis of k_max and k_min, and so the same for all models. */
const EVEN = ["simple", "sgm_uniform", "ddim_uniform", "normal"]
const SVG = "http://www.w3.org/2000/svg"
const answers = new Map()

app.registerExtension({
  name: "MagicMix.Window",
  nodeCreated(node) {
    if (["MagicMixKSampler", "MagicMixSampler"].includes(node.comfyClass)) new Strip(node)
  },
})

class Strip {
  constructor(node) {
    addStyles()
    this.node = node
    this.asked = 0
    this.picture = make("div", { class: "magicmix-strip", "aria-hidden": "true" })
    this.said = make("div", { class: "magicmix-counts", role: "status" })
    this.compare = make("button", { type: "button", class: "magicmix-button", hidden: true, onclick: () => openViewer(picturesOfSampler(node)) })
    const below = make("div", { class: "magicmix-below" }, this.said, this.compare)
    this.element = make("div", { class: "magicmix magicmix-window", role: "group" }, this.picture, below)
    addElement(node, "magicmix_window", this.element, HEIGHT, false)
    watch(node, this.element, () => this.read(), (state) => this.update(state))
  }

  read() {
    const settings = Object.fromEntries(WINDOW.map((name) => [name, settingOf(this.node, name)]))
    const mapped = ["nu_map", "nu_curve_drawn"].some((name) => isLinked(this.node, name))
    return { settings, mapped, schedule: scheduleOf(this.node), language: language(), pictures: picturesOfSampler(this.node).length }
  }

  async update({ settings, mapped, schedule, pictures }) {
    this.compare.hidden = !pictures
    this.compare.textContent = say("compare_short")
    this.compare.title = say("compare")
    this.compare.setAttribute("aria-label", say("compare"))
    const linked = ["k_max", "k_min"].find((name) => settings[name].linked) ?? schedule?.linked
    if (linked) return this.show(say("over_link", { input: labelOf(this.node, linked) }))
    if (!schedule) return this.show(say("steps_unknown"))
    const values = Object.fromEntries(WINDOW.map((name) => [name, settings[name].value]))
    if (!(values.k_min <= values.k_max)) {
      const labels = { k_min: labelOf(this.node, "k_min"), k_max: labelOf(this.node, "k_max") }
      return this.show(say("wrong_window", labels), "magicmix-wrong")
    }
    const number = ++this.asked
    try {
      const levels = await levelsOf(schedule)
      const curve = values.nu_curve?.trim() ? readCurve(values.nu_curve) : undefined
      const unknown = mapped || settings.nu_curve.linked || curve === null || (!curve && settings.nu.linked)
      if (number === this.asked) this.draw(levels, { ...values, curve: curve ?? undefined }, unknown, !EVEN.includes(schedule.scheduler))
    } catch {
      if (number === this.asked) this.show(say("no_answer"))
    }
  }

  show(text, kind = "magicmix-note") {
    this.picture.replaceChildren()
    this.said.replaceChildren(make("span", { class: kind }, text))
  }

  /** `unknown`: nu comes over a link, from a mask or from a drawn curve, or its curve is none, so that its height is not known. */
  draw(levels, values, unknown, about) {
    const known = unknown ? { nu: 0.5, curve: undefined } : {}
    const { skipped, mixed, free, nus } = countSteps(levels, { ...values, ...known })
    const steps = levels.length - 1
    this.picture.replaceChildren(drawSteps(skipped, mixed, free, nus, unknown))
    const counts = [["skipped", skipped], ["mixed", mixed], ["free", free]]
    const run = make("strong", { title: say(about ? "about_hint" : "exact_hint") }, say(about ? "about_run" : "run", { count: steps - skipped, steps }))
    this.said.replaceChildren(
      run,
      ...counts.map(([name, count]) => make("span", { class: `magicmix-count magicmix-${name}` }, say(name, { count }))),
      ...(mixed ? [] : [make("span", { class: "magicmix-note" }, say("nothing_mixed"))]),
    )
  }
}

/** `{ steps, scheduler, ... }` of the schedule that a sampler runs over, `{ linked }` where a link hides it, null for none in the graph. */
function scheduleOf(node) {
  if (node.comfyClass === "MagicMixKSampler") return schedule(node, ["steps", "scheduler", "sampler_name"])
  for (const sampler of nodesAfter(node, 0)) {
    const scheduler = nodeBefore(sampler, "sigmas")
    if (scheduler?.comfyClass === "BasicScheduler") return schedule(scheduler, ["steps", "scheduler", "denoise"])
  }
  return null
}

function schedule(node, names) {
  const settings = names.map((name) => [name, settingOf(node, name)])
  const linked = settings.find(([, setting]) => setting.linked)
  return linked ? { linked: linked[0] } : Object.fromEntries(settings.map(([name, setting]) => [name, setting.value]))
}

async function levelsOf(schedule) {
  const key = JSON.stringify(schedule)
  if (!answers.has(key)) answers.set(key, (await ask("steps", schedule)).levels)
  return answers.get(key)
}

function drawSteps(skipped, mixed, free, nus, unknown) {
  const steps = skipped + mixed + free
  const picture = document.createElementNS(SVG, "svg")
  picture.setAttribute("viewBox", `0 0 ${steps} 1`)
  picture.setAttribute("preserveAspectRatio", "none")
  const add = (kind, from, count, top, height) => {
    if (!count || !height) return
    const bar = document.createElementNS(SVG, "rect")
    for (const [name, value] of Object.entries({ x: from, y: top, width: count, height })) bar.setAttribute(name, value)
    bar.setAttribute("class", kind)
    picture.append(bar)
  }
  add("magicmix-skipped", 0, skipped, 0, 1)
  nus.forEach((nu, step) => {
    add("magicmix-layout", skipped + step, 1, 0, 1 - nu)
    add(unknown ? "magicmix-unknown" : "magicmix-mixed", skipped + step, 1, 1 - nu, nu)
  })
  add("magicmix-free", skipped + mixed, free, 0, 1)
  if (steps <= 100) {
    for (let step = 1; step < steps; step++) add("magicmix-line", step - 0.03, 0.06, 0, 1)
  }
  return picture
}

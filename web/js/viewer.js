/** A window over the page that shows pictures large. */
import { addStyles, make } from "./graph.js"
import { say } from "./texts.js"

/**
 * Shows `pictures`: `{ picture, layout }` under one slider, `{ picture, sheet }` whole, and each of its cells on a click.
 * All are addresses but `sheet`, which is `{ size, cells, labels }` in pixels of the picture. Escape closes it.
 */
export function openViewer(pictures) {
  addStyles()
  const stage = make("div", { class: "magicmix-stage" })
  const viewer = make("dialog", { class: "magicmix magicmix-viewer", "aria-label": say("look_closer") })
  let number = 0
  const turn = (by) => {
    number = (number + by + pictures.length) % pictures.length
    const { picture, layout, sheet } = pictures[number]
    count.textContent = say("picture_of", { number: number + 1, count: pictures.length })
    stage.replaceChildren(sheet ? sheetOf(picture, sheet) : comparisonOf(picture, layout))
    stage.querySelector("input, button")?.focus()
  }
  const count = make("span", { role: "status" })
  const button = (key, sign, onclick) => make("button", { type: "button", class: "magicmix-button", "aria-label": say(key), title: say(key), onclick }, sign)
  const several = pictures.length > 1 ? [button("previous", "‹", () => turn(-1)), count, button("next", "›", () => turn(1))] : []
  viewer.append(make("div", { class: "magicmix-bar" }, ...several, button("close", "×", () => viewer.close())), stage)
  viewer.addEventListener("close", () => viewer.remove())
  viewer.addEventListener("click", (event) => event.target === viewer && viewer.close())
  // The page's own shortcuts would act on the graph behind.
  viewer.addEventListener("keydown", (event) => event.stopPropagation())
  document.body.append(viewer)
  viewer.showModal()
  turn(0)
}

/** The layout over the mix as far as the slider goes. */
export function comparisonOf(picture, layout) {
  const above = make("img", { src: layout, alt: say("layout"), draggable: "false" })
  const below = make("img", { src: picture, alt: say("mix"), draggable: "false" })
  const slider = make("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": say("slider") })
  const frame = make("div", { class: "magicmix-compared" }, below, above, make("div", { class: "magicmix-divider" }), slider)
  const show = () => {
    frame.style.setProperty("--magicmix-share", `${slider.value}%`)
    slider.setAttribute("aria-valuetext", `${say("layout")} ${slider.value} %`)
  }
  slider.addEventListener("input", show)
  // One size for both: the layout is cut as the graph cuts it, to the middle.
  below.addEventListener("load", () => frame.style.setProperty("--magicmix-ratio", `${below.naturalWidth} / ${below.naturalHeight}`))
  show()
  return make("figure", {}, frame, make("figcaption", {}, make("span", {}, say("layout")), make("span", {}, say("mix"))))
}

function sheetOf(picture, { size, cells, labels }) {
  const [width, height] = size
  const whole = make("div", { class: "magicmix-sheet" }, make("img", { src: picture, alt: "" }))
  whole.style.setProperty("--magicmix-ratio", `${width} / ${height}`)
  const figure = make("figure", {})
  const nameOf = (cell) => labels[cell] || say("picture_of", { number: cell + 1, count: cells.length })
  const showWhole = (cell) => {
    figure.replaceChildren(whole)
    whole.querySelectorAll("button")[cell]?.focus()
  }
  const showCell = (cell) => {
    const [x, y, w, h] = cells[cell]
    const cut = make("canvas", { width: w, height: h, role: "img", "aria-label": nameOf(cell) })
    const drawn = whole.querySelector("img")
    const draw = () => cut.getContext("2d").drawImage(drawn, x, y, w, h, 0, 0, w, h)
    if (drawn.complete) draw()
    else drawn.addEventListener("load", draw)
    const back = make("button", { type: "button", class: "magicmix-button", onclick: () => showWhole(cell) }, say("whole_sheet"))
    const turn = (by) => showCell((cell + by + cells.length) % cells.length)
    back.addEventListener("keydown", ({ key }) => ({ ArrowLeft: () => turn(-1), ArrowRight: () => turn(1) })[key]?.())
    figure.replaceChildren(cut, make("figcaption", {}, make("span", { role: "status" }, nameOf(cell)), back))
    back.focus()
  }
  cells.forEach(([x, y, w, h], cell) => {
    const button = make("button", { type: "button", "aria-label": nameOf(cell), onclick: () => showCell(cell) })
    const place = { left: x / width, top: y / height, width: w / width, height: h / height }
    for (const [side, share] of Object.entries(place)) button.style[side] = `${100 * share}%`
    whole.append(button)
  })
  figure.append(whole)
  return figure
}

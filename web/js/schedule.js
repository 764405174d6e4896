/** Which steps of a schedule a window of mixing means, counted as the samplers count them. */

/** How far the layout has faded out when a share of the mixed steps has passed: the nodes' nu_schedule. */
const FADES = { constant: () => 0, linear: (share) => share, cosine: (share) => (1 - Math.cos(Math.PI * share)) / 2 }

/** The points `[level, nu]` of a nu_curve as the nodes read it, levels rising; null for a text that is no curve. */
export function readCurve(text) {
  const entries = text.split(/[,\n]/).map((entry) => entry.trim()).filter(Boolean)
  const points = entries.map((entry) => entry.split(":").map((part) => (part.trim() ? Number(part) : NaN)))
  const right = points.every((point) => point.length === 2 && point.every((number) => number >= 0 && number <= 1))
  const different = new Set(points.map(([level]) => level)).size === points.length
  return points.length && right && different ? points.sort(([one], [other]) => one - other) : null
}

/** nu at a level: straight lines between the points, the outer ones' nu beyond. */
function along(points, level) {
  const above = points.findIndex(([other]) => other > level)
  if (above <= 0) return points.at(above)[1]
  const [[low, nuLow], [high, nuHigh]] = points.slice(above - 1, above + 1)
  return nuLow + ((nuHigh - nuLow) * (level - low)) / (high - low)
}

/**
 * `{ skipped, mixed, free, nus }` of a run over `levels`, which are a schedule's noise levels as k_max and k_min count them, the last
 * one 0. `nus` has the share of the prompt in each mixed step; `curve`, points as readCurve gives them, stands in for nu. Where nothing is
 * mixed all steps that run are free.
 */
export function countSteps(levels, { k_max, k_min, nu, nu_schedule, curve }) {
  const above = k_max < 1 ? levels.filter((level) => level > k_max).length : 0
  const skipped = Math.min(above, levels.length - 1)
  const executed = levels.slice(skipped)
  const inside = executed.slice(0, -1).filter((level) => level > k_min).length
  const mixed = (curve ?? [[0, nu]]).every(([, value]) => value === 1) ? 0 : inside
  const fade = FADES[nu_schedule] ?? FADES.constant
  const nus = executed.slice(0, mixed).map((level, step) => (curve ? along(curve, level) : nu + (1 - nu) * fade(step / mixed)))
  return { skipped, mixed, free: executed.length - 1 - mixed, nus }
}

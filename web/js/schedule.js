/** Which steps of a schedule a window of mixing means, counted as the samplers count them. */

/** How far the layout has faded out when a share of the mixed steps has passed: the nodes' nu_schedule. */
const FADES = { constant: () => 0, linear: (share) => share, cosine: (share) => (1 - Math.cos(Math.PI * share)) / 2 }

/**
 * `{ skipped, mixed, free, nus }` of a run over `levels`, which are a schedule's noise levels as k_max and k_min count them, the last
 * one 0. `nus` has the share of the prompt in each mixed step. Where nothing is mixed all steps that run are free.
 */
export function countSteps(levels, { k_max, k_min, nu, nu_schedule }) {
  const above = k_max < 1 ? levels.filter((level) => level > k_max).length : 0
  const skipped = Math.min(above, levels.length - 1)
  const executed = levels.slice(skipped)
  const inside = executed.slice(0, -1).filter((level) => level > k_min).length
  const mixed = nu === 1 ? 0 : inside
  const fade = FADES[nu_schedule] ?? FADES.constant
  const nus = Array.from({ length: mixed }, (_, step) => nu + (1 - nu) * fade(step / mixed))
  return { skipped, mixed, free: executed.length - 1 - mixed, nus }
}

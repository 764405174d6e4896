/** Fields of words, as `tiger:1.5, stripes`: read as the nodes read them, and changed a word at a time. */

const NUMBER = /^[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[+-]?\d+)?$/i
const NOT_FINITE = /^[+-]?(inf|infinity|nan)$/i

/** `[{ word, number, text }]`, a part for each comma or line: `number` is null where there is none, `word` empty for an empty part. */
export function parseField(field) {
  return field.split(/[,\n]/).map((text) => {
    const colon = text.lastIndexOf(":")
    const behind = text.slice(colon + 1).trim()
    // Without a colon all of the part stands behind it, as Python's rpartition has it.
    const number = NUMBER.test(behind) ? Number(behind.replaceAll("_", "")) : NOT_FINITE.test(behind) ? NaN : null
    if (number === null) return { word: text.trim(), number: null, text }
    return { word: colon < 0 ? "" : text.slice(0, colon).trim(), number, text }
  })
}

/** `{ word: number or null }`; of a word that is said twice the last holds. */
export function numbersIn(field) {
  const numbers = new Map()
  for (const { word, number } of parseField(field)) if (word) numbers.set(word, number)
  return numbers
}

/** The field with a word more, or with another number for it; `null` is no number. Everything else stays as it was typed. */
export function withWord(field, word, number) {
  const written = number === null ? word : `${word}:${shown(number)}`
  const parts = parseField(field)
  const last = parts.findLastIndex((part) => part.word === word)
  if (last < 0) return field.trim() ? `${field.trimEnd().replace(/,$/, "")}, ${written}` : written
  return join(parts, (part, place) => (place === last ? part.text.replace(part.text.trim(), written) : part.text))
}

/** The field without some words. */
export function withoutWords(field, words) {
  const kept = parseField(field).filter((part) => part.word && !words.includes(part.word))
  return kept.map((part) => part.text.trim()).join(", ")
}

/** A number as people write it: 1.5, -0.25, 2. */
export function shown(number) {
  return String(Math.round(number * 100) / 100)
}

function join(parts, write) {
  return parts.map(write).join(",")
}

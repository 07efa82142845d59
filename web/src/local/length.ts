/** The maximum length of the text of a message, in bytes of UTF-8, and how a longer text is split. */

/** A fact in the local storage: the largest stanza that the server takes, in bytes (XEP-0478). */
export const STANZA_BYTES = 'server.stanza-bytes'

/** The maximum size of a text in bytes, as in other messengers, since devices have to display it. */
const MAX_BYTES = 65_536
/** The size of a message without its text: keys for up to 64 devices, a quote, ids. */
const BESIDE = 28_000

/** `stanza`: the maximum stanza of the server, if it has announced one. The encrypted text is base64. */
export function textBytes(stanza: number | undefined): number {
  if (!stanza) return MAX_BYTES
  return Math.min(MAX_BYTES, Math.floor(Math.max(stanza - BESIDE, stanza / 4) * 0.75))
}

/** How many UTF-16 units of a single visible character are considered. */
const LONGEST_CHARACTER = 200

export class TooLong extends Error {}

const encoder = new TextEncoder()

export function fits(text: string, bytes: number): boolean {
  // a unit of UTF-16 takes at most three bytes of UTF-8
  return text.length * 3 <= bytes || encoder.encode(text).length <= bytes
}

/** Splits a text into parts that fit, at the end of a paragraph, line or word, and never within a visible character. */
export function split(text: string, bytes: number): string[] {
  const parts: string[] = []
  let rest = text.trim()
  while (!fits(rest, bytes)) {
    const { read } = encoder.encodeInto(rest, new Uint8Array(bytes))
    const end = boundary(rest.slice(0, read + 1), read)
    parts.push(rest.slice(0, end).trimEnd())
    rest = rest.slice(end).trimStart()
  }
  if (rest !== '') parts.push(rest)
  return parts
}

/** Where to cut a text that is longer than `most` units: as late as possible, at the best place of the second half. */
function boundary(text: string, most: number): number {
  for (const gap of ['\n\n', '\n', '. ', ' ']) {
    const at = text.lastIndexOf(gap, most - gap.length)
    if (at + gap.length >= most / 2 && at > 0) return at + gap.length
  }
  // looking at the last characters is enough: a longer one is cut where UTF-16 allows it
  const from = Math.max(0, most - 200)
  const start = isLow(text, from) ? from - 1 : from
  let end = start
  for (const { index, segment } of new Intl.Segmenter().segment(text.slice(start))) {
    if (start + index + segment.length > most) break
    end = start + index + segment.length
  }
  if (end > start && end > 0) return end
  return isLow(text, most) ? most - 1 : most
}

/** The beginning of a text, at most so many UTF-16 units, without cutting a visible character. */
export function beginning(text: string, most: number): string {
  if (text.length <= most) return text
  const from = Math.max(0, most - LONGEST_CHARACTER)
  const start = isLow(text, from) ? from - 1 : from
  let end = start
  for (const { index, segment } of new Intl.Segmenter().segment(
    text.slice(start, most + LONGEST_CHARACTER)
  )) {
    if (start + index + segment.length > most) break
    end = start + index + segment.length
  }
  return text.slice(0, end > start ? end : isLow(text, most) ? most - 1 : most)
}

/** The second half of a surrogate pair. */
function isLow(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00
}

/** Reactions (XEP-0444): each is one emoji. Others may send any text under that name, and as many as they like. */
import type { Address } from './types'

/** Of one person to one message. */
const MOST = 20
/** Units of UTF-16: more than any emoji that is drawn as one. */
const LONGEST = 64
const EMOJI =
  /^(?:\p{Extended_Pictographic}|\p{Emoji_Presentation}|\p{Regional_Indicator}{2}|[0-9#*]\ufe0f?\u20e3)/u

/** What of it are emojis, each once. */
export function emojisIn(texts: readonly string[]): string[] {
  const found = new Set<string>()
  for (const text of texts) {
    const emoji = text.length <= 2 * LONGEST ? text.trim() : ''
    if (isEmoji(emoji)) found.add(emoji)
    if (found.size === MOST) break
  }
  return [...found]
}

/** Who has chosen which emoji, in the order in which they came. */
export function peopleByEmoji(reactions: Readonly<Record<Address, string[]>>): [string, Address[]][] {
  // Not an object: an earlier version has stored whatever was sent, and `constructor` is in each
  const found = new Map<string, Address[]>()
  for (const [address, emojis] of Object.entries(reactions)) {
    for (const emoji of new Set(emojis)) found.set(emoji, [...(found.get(emoji) ?? []), address])
  }
  return [...found]
}

function isEmoji(text: string): boolean {
  if (text.length > LONGEST || !EMOJI.test(text)) return false
  const [, second] = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)
  return second === undefined
}

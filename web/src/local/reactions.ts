/** Reactions (XEP-0444): each is one emoji. Others may send any texts, and any number of them. */
import type { Address } from './types'

/** The maximum number of reactions of one person to one message. */
const MAX_REACTIONS = 20
/** The maximum UTF-16 units of a reaction: more than any single emoji has. */
const LONGEST = 64
const EMOJI =
  /^(?:\p{Extended_Pictographic}|\p{Emoji_Presentation}|\p{Regional_Indicator}{2}|[0-9#*]\ufe0f?\u20e3)/u

/** The emojis among the texts, each once. */
export function emojisIn(texts: readonly string[]): string[] {
  const found = new Set<string>()
  for (const text of texts) {
    const emoji = text.length <= 2 * LONGEST ? text.trim() : ''
    if (isEmoji(emoji)) found.add(emoji)
    if (found.size === MAX_REACTIONS) break
  }
  return [...found]
}

/** Who has chosen which emoji, in the order of arrival. */
export function peopleByEmoji(reactions: Readonly<Record<Address, string[]>>): [string, Address[]][] {
  // Not an object: an earlier version has stored any text, and `constructor` is in every object
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

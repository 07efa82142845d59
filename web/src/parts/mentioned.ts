/** The parts of a text that name people. */
import type { Message } from '../local/types'

/** What a message calls those whom it mentions, such as `@Ada`. */
export function mentionedIn({ text, mentions }: Message): string[] {
  if (!mentions?.length) return []
  const characters = [...text]
  const all = mentions.map(({ start, end }) => characters.slice(start, end).join(''))
  return [...new Set(all.filter((one) => one.startsWith('@') && one.length > 1))].sort(
    (a, b) => b.length - a.length
  )
}

/** A text, cut before and after each of these: every second part is one of them. */
export function apart(text: string, named: readonly string[]): string[] {
  const parts = ['']
  for (let at = 0; at < text.length;) {
    const found = named.find((one) => text.startsWith(one, at))
    if (found === undefined) parts[parts.length - 1] += text.charAt(at++)
    else {
      parts.push(found, '')
      at += found.length
    }
  }
  return parts
}

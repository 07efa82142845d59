/** Splits texts of others into links and plain text. */
import { unusualHost } from './hosts'

/** `host`: where the link really leads, if it does not look like that. */
export type Piece = { text: string } | { text: string; href: string; host?: string }

const LINK =
  /\b(?:https?:\/\/|www\.)[^\s<>"'`]{2,2000}|\b[\w.+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{2,63}){1,5}\b/gi

/** Links can't contain characters that are invisible or change the direction of text (UAX #9). */
const UNSEEN = /[\p{Cc}\p{Bidi_Control}\u200b\u2060\ufeff\u00ad].*$/su

/**
 * Removes punctuation that belongs to the sentence: a full stop, or a closing bracket that was opened before the link.
 */
function trimmed(found: string): string {
  let text = found.replace(UNSEEN, '').replace(/[.,:;!?'"…]+$/, '')
  while (text.endsWith(')') && text.split(')').length > text.split('(').length) text = text.slice(0, -1)
  return text
}

function target(text: string): { href: string; host?: string } | undefined {
  if (!/^(?:https?:|www\.)/i.test(text)) return { href: `mailto:${text}` }
  try {
    const url = new URL(/^www\./i.test(text) ? `https://${text}` : text)
    if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined
    const host = unusualHost(text, url)
    return { href: url.href, ...(host && { host }) }
  } catch {
    return undefined
  }
}

export function pieces(text: string): Piece[] {
  const found: Piece[] = []
  let done = 0
  for (const match of text.matchAll(LINK)) {
    const link = trimmed(match[0])
    const to = target(link)
    if (to === undefined || link.length < 4) continue
    if (match.index > done) found.push({ text: text.slice(done, match.index) })
    found.push({ text: link, ...to })
    done = match.index + link.length
  }
  if (done < text.length) found.push({ text: text.slice(done) })
  return found
}

const EMOJIS = /^\p{RGI_Emoji}{1,3}$/v

/** Whether a text consists of one to three emojis, which are shown large. */
export function onlyEmojis(text: string): boolean {
  return EMOJIS.test(text.trim())
}

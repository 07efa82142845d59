/** The quotation in front of a reply, for apps that do not support replies (XEP-0461 §3, fallback by XEP-0428). */
import type { Reply } from '../local/types'
import { NS } from './ns'
import { attribute, child, children, type Xml } from './xml'

/** The maximum number of quoted characters. */
const LONGEST_QUOTE = 200

/** The quoted lines before a reply; empty: nothing is quoted. */
export function quotation(reply: Reply | undefined): string {
  if (!reply?.text) return ''
  const text = [...reply.text].slice(0, LONGEST_QUOTE).join('')
  return `${text.replace(/^/gm, '> ')}\n`
}

/** Splits a text into the reply and the quotation. */
export function unquoted(text: string, length: number): { text: string; quote: string } {
  const characters = [...text]
  if (length <= 0 || length > characters.length) return { text, quote: '' }
  const quote = characters.slice(0, length).join('').trim().replace(/^> ?/gm, '')
  return { text: characters.slice(length).join(''), quote }
}

/** The length of the quotation in a body, in code points. */
export function quoted(message: Xml): number {
  for (const fallback of children(message, NS.fallback, 'fallback')) {
    const body = child(fallback, NS.fallback, 'body')
    if (attribute(fallback, 'for') === NS.reply && attribute(body, 'start') === '0') {
      return Number.parseInt(attribute(body, 'end'), 10) || 0
    }
  }
  return 0
}

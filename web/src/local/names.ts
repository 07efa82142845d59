/** The names that people give themselves: made safe to be shown beside texts of the app. */
import type { Database } from './database'
import { asciiDigits } from './digits'
import { skeleton } from './lookalikes'
import type { Address } from './types'

/** Of a name, in characters; what is longer is cut where it is shown. */
export const LONGEST_NAME = 60
const LONGEST_ABOUT = 700
/** Combining marks on one letter: more than any script needs would cover other lines. */
const MARKS = /(\p{M}{4})\p{M}+/gu
/** Joiners have a meaning between these, and in emojis; elsewhere they hide differences between names. */
const JOINED =
  /[\p{Script=Arab}\p{Script=Deva}\p{Script=Beng}\p{Script=Guru}\p{Script=Gujr}\p{Script=Orya}\p{Script=Taml}\p{Script=Telu}\p{Script=Knda}\p{Script=Mlym}\p{Script=Sinh}\p{Script=Syrc}\p{Script=Mong}\p{Extended_Pictographic}\p{Emoji_Modifier}\p{M}]/u
/** Invisible, but not spaces. */
const BLANK = /[\u2800\u3164\uffa0\u115f\u1160]/g

/** A name in one line, without characters that change direction, are invisible or overflow. */
export function cleanName(text: string): string {
  return cut(
    visible(text)
      .replace(/[\p{Z}\s]+/gu, ' ')
      .replace(/^[\s~]+|\s+$/g, ''),
    LONGEST_NAME
  )
}

/** What somebody writes about themselves; it may have several lines. */
export function cleanAbout(text: string): string {
  const lines = text.split(/\r\n|[\n\r\u2028\u2029\u0085]/).map((line) => visible(line))
  return cut(
    lines
      .join('\n')
      .replace(/\n{3,}/g, '\n\n')
      .trim(),
    LONGEST_ABOUT
  )
}

/**
 * The name that a person has chosen, which is shown if the user has given them none. It is not used if it looks like
 * the app's name, or like that of somebody else whom the user knows.
 */
export async function chosenName(db: Database, me: Address, address: Address, text: string): Promise<string> {
  const name = cleanName(text)
  const contact = await db.contacts.get(address)
  if (!name || address === me || (contact?.inRoster && contact.name)) return name
  if (looksOfficial(name) || looksLikeAddress(name)) return ''
  const looks = skeleton(name)
  const known = await db.contacts
    .filter((one) => one.address !== address && (one.inRoster || one.address === me))
    .toArray()
  const taken = known.flatMap((one) => [one.name, one.nick, one.address.split('@', 1)[0] ?? ''])
  return taken.some((own) => own && skeleton(own) === looks) ? '' : name
}

/** Whether a name looks like that of the app or its operator. */
export function looksOfficial(name: string): boolean {
  const own = skeleton('Kith')
  return (
    skeleton(name).startsWith(own) ||
    name.split(/[^\p{L}\p{M}\p{N}]+/u).some((word) => skeleton(word) === own)
  )
}

/** Whether a name could be taken for a number or an address, which people think nobody can choose. */
export function looksLikeAddress(name: string): boolean {
  const text = asciiDigits(name.normalize('NFKC'))
  const digits = text.replace(/[^0-9]/g, '').length
  return (digits >= 6 && digits >= text.replace(/[^\p{L}]/gu, '').length) || /[^\s@]@[^\s@]/.test(text)
}

/** Without control characters, including those for direction, and invisible ones. */
function visible(text: string): string {
  const all = [...text.normalize('NFC').replace(BLANK, ' ')]
  return all
    .filter((one, at) => {
      if (/[\s]/.test(one)) return true
      if (one === '\u200c' || one === '\u200d')
        return JOINED.test(all[at - 1] ?? '') && JOINED.test(all[at + 1] ?? '')
      if (one === '\ufe0f') return /[\p{Emoji}]/u.test(all[at - 1] ?? '')
      return !/[\p{C}\p{Default_Ignorable_Code_Point}]/u.test(one)
    })
    .join('')
    .replace(MARKS, '$1')
}

function cut(text: string, most: number): string {
  if (text.length <= most) return text
  let result = ''
  for (const { segment } of new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)) {
    if (result.length + segment.length > most) break
    result += segment
  }
  return result.trim()
}

/** How people are called. */
import { cleanName } from '../local/names'
import type { Address, Contact } from '../local/types'

/** A number as it is written, in groups; else the address without what all here share. */
export function written(address: Address, home = ''): string {
  const [local = address, domain = ''] = address.split('@')
  if (/^\+[0-9]{7,15}$/.test(local)) return grouped(local)
  return domain === home || domain === '' ? local : address
}

/** `+49 170 123 4567`: the code of the country by itself, then groups that an eye can hold, on one line. */
export function grouped(number: string): string {
  const code =
    /^\+(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})/.exec(number)?.[0] ?? '+'
  const rest = number.slice(code.length)
  const groups = rest.match(/.{3}(?=.{2,})|.+/g) ?? []
  return [code, ...groups].join('\u00a0')
}

/** What is written from left to right inside a sentence of any direction (UAX #9). */
export function isolated(text: string): string {
  return `${String.fromCodePoint(0x2066)}${text}${String.fromCodePoint(0x2069)}`
}

/** What marks a name that somebody has chosen, and that nobody here has agreed to. */
const CHOSEN = '~'

/** My own address, and the server's that speaks as the app. */
let own = ''
let home = ''

export function setOwnAddress(me: Address): void {
  own = me
  home = me.split('@')[1] ?? ''
}

/** The name that I gave somebody, else the one that they chose (with a mark, unless they are in my contacts), else their number. */
export function nameOf(contact: Contact | undefined, address: Address): string {
  if (address === home) return 'Kith'
  if (contact?.name) return contact.name
  const nick = cleanName(contact?.nick ?? '')
  if (!nick) return written(address, address.split('@')[1])
  return contact?.inRoster || address === own ? nick : CHOSEN + nick
}

/** What tells who somebody is beside a name that they chose; empty: the name is mine, or the number itself. */
export function addressHint(contact: Contact | undefined, address: Address): string {
  const stranger = address !== home && !contact?.inRoster && !contact?.name && address !== own
  return stranger && cleanName(contact?.nick ?? '') ? written(address, address.split('@')[1]) : ''
}

/** For the round picture where there is none: the first letter of the name, if it begins with one. */
export function initial(name: string): string {
  const letters = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(
    name.replace(/^~/, '').trim()
  )
  const letter = letters.containing(0)?.segment ?? ''
  return /[\p{L}\p{Emoji_Presentation}]/u.test(letter) ? letter.toLocaleUpperCase() : ''
}

/** One of eight colours, always the same for an address. */
export function hue(address: Address): number {
  let hash = 0x811c9dc5 // FNV-1a
  for (const unit of address) hash = Math.imul(hash ^ (unit.codePointAt(0) ?? 0), 0x01000193)
  return ((hash >>> 24) ^ (hash >>> 13) ^ hash) & 7
}

/** The names of people. */
import { isGroup } from '../local/address'
import { cleanName } from '../local/names'
import type { Address, Contact } from '../local/types'

const NUMBER = /^\+[0-9]{7,15}$/

/**
 * An address as people read it: a number in groups, and the domain only if it is not `at`. A number at another server
 * is not the phone number that it looks like, since any server can have accounts with any name.
 */
export function written(address: Address, at = home): string {
  const [local = address, domain = ''] = address.split('@')
  const isNumber = NUMBER.test(local)
  const name = isNumber ? grouped(local) : local
  const hidden = domain === '' || domain === at || (at === '' && isNumber)
  return hidden ? name : `${name}@${domain}`
}

/** For example `+49 170 123 4567`: the country code and groups of three digits, with spaces that do not break. */
export function grouped(number: string): string {
  const code =
    /^\+(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})/.exec(number)?.[0] ?? '+'
  const rest = number.slice(code.length)
  const groups = rest.match(/.{3}(?=.{2,})|.+/g) ?? []
  return [code, ...groups].join('\u00a0')
}

/** Isolates text from the direction of the sentence around it (UAX #9). */
export function isolated(text: string): string {
  return `${String.fromCodePoint(0x2066)}${text}${String.fromCodePoint(0x2069)}`
}

/** The mark of a name that somebody has chosen for themselves. */
const CHOSEN = '~'

/** The user's own address, and the server's, whose messages appear as the app's. */
let own = ''
let home = ''

export function setOwnAddress(me: Address): void {
  own = me
  home = me.split('@')[1] ?? ''
}

/**
 * The name that the user has given somebody; else the one they have chosen, marked unless they are in the contacts;
 * else their number or address.
 */
export function nameOf(contact: Contact | undefined, address: Address): string {
  if (address === home) return 'Kith'
  if (contact?.name) return contact.name
  if (isGroupHere(address)) return cleanName(contact?.nick ?? '') || address.split('@', 1)[0] || address
  const nick = cleanName(contact?.nick ?? '')
  if (!nick) return written(address)
  return contact?.inRoster || address === own ? nick : CHOSEN + nick
}

/** Whether it is a group of the user's own server. */
function isGroupHere(address: Address): boolean {
  return own !== '' && isGroup(address, own)
}

/**
 * The address to show beside a name that somebody has chosen; empty: the name is from the user, or is the address
 * itself.
 */
export function addressHint(contact: Contact | undefined, address: Address): string {
  const stranger =
    address !== home && !isGroupHere(address) && !contact?.inRoster && !contact?.name && address !== own
  return stranger && cleanName(contact?.nick ?? '') ? written(address) : ''
}

/** The letter for an avatar without a picture: the first of the name, if it is a letter or emoji. */
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

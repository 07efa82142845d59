/**
 * Links and codes that say whom to write to: `https://SERVER/#/to/ADDRESS`, which opens the app of that server, and
 * what other apps have (`xmpp:ADDRESS`, RFC 5122). The address stands behind the #, so that no server hears of it.
 */
import type { Address } from '../local/types'

const LONGEST = 3071
/** Neither white space nor what is not seen or turns the direction of writing. */
const ADDRESS = /^[^\s@/<>"\p{C}]+@[^\s@/<>"\p{C}]+$/u

/** For the account of that address, at the server that this page is from. */
export function linkTo(address: Address, origin: string): string {
  // what a fragment may have is left as people read it (RFC 3986 §3.5)
  const readable = encodeURIComponent(address).replaceAll('%2B', '+').replaceAll('%40', '@')
  return `${origin}/#/to/${readable}`
}

/** The address in a link, a code, or by itself; undefined: there is none. */
export function addressIn(text: string): Address | undefined {
  const given = text.trim()
  const link = /^https?:\/\/[^/\s?#]+\/#\/?to\/([^/?#\s]+)$/i.exec(given)
  if (link) return addressOf(link[1] ?? '')
  const other = /^xmpp:(?:\/\/[^/]*\/)?([^?#/\s]+)/i.exec(given)
  return other ? addressOf(other[1] ?? '') : addressOf(given, false)
}

function addressOf(text: string, coded = true): Address | undefined {
  try {
    const address = (coded ? decodeURIComponent(text) : text).toLowerCase()
    return address.length <= LONGEST && ADDRESS.test(address) ? address : undefined
  } catch {
    return undefined
  }
}

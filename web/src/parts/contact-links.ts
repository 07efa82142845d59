/**
 * Links and codes to write to somebody: `https://SERVER/#/to/ADDRESS`, which opens that server's app, and those of
 * other apps (`xmpp:ADDRESS`, RFC 5122). The address is in the fragment, so no server learns it.
 */
import type { Address } from '../local/types'

const LONGEST = 3071
/** Excludes white space, invisible characters, and those that change the direction of text. */
const ADDRESS = /^[^\s@/<>"\p{C}]+@[^\s@/<>"\p{C}]+$/u

/** A link to an account, at the server that this page is from. */
export function linkTo(address: Address, origin: string): string {
  // leaves characters readable that a fragment may contain (RFC 3986 §3.5)
  const readable = encodeURIComponent(address).replaceAll('%2B', '+').replaceAll('%40', '@')
  return `${origin}/#/to/${readable}`
}

/** The address in a link or code, or a plain address; undefined: there is none. */
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

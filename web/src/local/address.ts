/** What an address tells by itself. */
import type { Address } from './types'

/**
 * Whether it is my own server that writes, and no person: it tells of new devices and the like, and reads nothing. Other
 * servers may write as well, and are strangers like any other.
 */
export function isServer(address: Address, me: Address): boolean {
  return address === me.slice(me.indexOf('@') + 1)
}

/** What can be told from an address alone. */
import type { Address } from './types'

/**
 * Whether a message is from my own server and not from a person: it sends notices about new devices and the like, and
 * reads nothing. Other servers may write as well, and are strangers.
 */
export function isServer(address: Address, me: Address): boolean {
  return address === me.slice(me.indexOf('@') + 1)
}

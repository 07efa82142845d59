/** What an address alone tells. */
import type { Address } from './types'

/**
 * Whether an address is that of the user's own server, which sends notices, such as about new devices, and reads no
 * messages. Other servers count as strangers.
 */
export function isServer(address: Address, me: Address): boolean {
  return address === me.slice(me.indexOf('@') + 1)
}

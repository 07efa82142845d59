/** What an address alone tells. */
import type { Address } from './types'

/**
 * Whether an address is that of the user's own server, which sends notices, such as about new devices, and reads no
 * messages. Other servers count as strangers.
 */
export function isServer(address: Address, me: Address): boolean {
  return address === me.slice(me.indexOf('@') + 1)
}

/** Whether an address is that of a group of the user's own server, which vouches for who writes there. */
export function isGroup(address: Address, me: Address): boolean {
  return address.endsWith(`@groups.${me.slice(me.indexOf('@') + 1)}`)
}

/** The address of the service that has the groups of the user's own server. */
export function groupService(me: Address): Address {
  return `groups.${me.slice(me.indexOf('@') + 1)}`
}

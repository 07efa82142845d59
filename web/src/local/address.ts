/** What an address tells by itself. */
import type { Address } from './types'

/** Whether it is a server that writes, and no person: it tells of new devices and the like, and reads nothing. */
export function isServer(address: Address): boolean {
  return !address.includes('@')
}

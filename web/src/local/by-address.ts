/** Objects that are used as maps: an address may be the name of a property that every object has. */
import type { Address } from './types'

export function valueOf<T>(of: Readonly<Record<Address, T>>, address: Address): T | undefined {
  return Object.hasOwn(of, address) ? of[address] : undefined
}

import { isServer } from '../local/address'
import type { Address, Contact, Message } from '../local/types'

/** Whether somebody has written whom the user has neither accepted (`local/accepted.ts`) nor blocked. */
export function isStranger(
  me: Address,
  address: Address,
  contact: Contact | undefined,
  messages: Message[],
  accepted: boolean
): boolean {
  if (address === me || isServer(address, me) || accepted || contact?.blocked) return false
  return messages.some(({ mine, kind }) => !mine && kind !== 'notice')
}

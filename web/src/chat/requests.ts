import { abilitiesOf } from '../local/conversation'
import type { Address, Contact, Message } from '../local/types'

/** Whether somebody has written whom the user has neither accepted (`local/accepted.ts`) nor blocked. */
export function isStranger(
  me: Address,
  address: Address,
  contact: Contact | undefined,
  messages: Message[],
  accepted: boolean
): boolean {
  if (!abilitiesOf(address, me).person || accepted || contact?.blocked) return false
  return messages.some(({ mine, kind }) => !mine && kind !== 'notice')
}

/**
 * Content for other devices running this app, encrypted like a text but not shown as one: JSON in `<sealed
 * xmlns='urn:kith:sealed:0'/>`, beside an OMEMO element with keys and no payload (docs/web.md). So far only pins.
 */
import { messageKey } from '../local/order'
import { isRecord } from '../local/records'
import type { Address, Moment, OutgoingContent } from '../local/types'

/** The maximum time of a pin, in milliseconds, whatever the other app says. */
export const LONGEST_PIN = 30 * 86_400_000
const LONGEST_ID = 1000

export interface Pin {
  /** The key of the message. */
  target: string
  until: Moment
}

export function written({ of, from, until }: OutgoingContent & { type: 'pin' }): string {
  return JSON.stringify({ pin: { id: of, from, until } })
}

/** Parses a pin; undefined: it is invalid, or from a later version. `at`: when it was sent. */
export function pinIn(text: string, chat: Address, me: Address, at: Moment): Pin | undefined {
  let said: unknown
  try {
    said = JSON.parse(text)
  } catch {
    return undefined
  }
  const pin = isRecord(said) ? said['pin'] : undefined
  if (!isRecord(pin)) return undefined
  const { id, from, until } = pin
  if (typeof id !== 'string' || !id || id.length > LONGEST_ID) return undefined
  if (from !== me && from !== chat) return undefined
  if (typeof until !== 'number' || !Number.isFinite(until) || until < 0) return undefined
  return { target: messageKey(chat, from, from === me, id), until: Math.min(until, at + LONGEST_PIN) }
}

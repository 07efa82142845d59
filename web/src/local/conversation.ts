/**
 * What a conversation is with, as far as its address tells, and what can be done in it. Screens and actions ask this
 * table, so that another kind of conversation is one more row.
 */
import { isGroup, isServer } from './address'
import type { Address } from './types'

/** `notes`: with oneself; `server`: with the user's own server, which only sends notices. */
export type ConversationKind = 'person' | 'group' | 'notes' | 'server'

export interface Abilities {
  /** Whether the user can write in it, and refer to its messages: reply, react, pin. */
  writes: boolean
  /** Whether messages in it are encrypted for devices, and the user is told how. */
  encrypts: boolean
  /** Whether the others are told what the user has read. */
  marks: boolean
  /** Whether its messages can disappear. */
  disappears: boolean
  /** Whether the default timer for new conversations applies. */
  startsTimer: boolean
  /** Whether it is one other person, who has presence, and can be named, verified, blocked and reported. */
  person: boolean
}

const CONVERSATIONS: Record<ConversationKind, Abilities> = {
  person: {
    ...{ writes: true, encrypts: true, marks: true, disappears: true, startsTimer: true },
    person: true
  },
  group: {
    ...{ writes: true, encrypts: true, marks: true, disappears: true, startsTimer: false },
    person: false
  },
  notes: {
    ...{ writes: true, encrypts: true, marks: true, disappears: true, startsTimer: false },
    person: false
  },
  server: {
    ...{ writes: false, encrypts: false, marks: false, disappears: false, startsTimer: false },
    person: false
  }
}

export function kindOf(address: Address, me: Address): ConversationKind {
  if (address === me) return 'notes'
  if (isGroup(address, me)) return 'group'
  return isServer(address, me) ? 'server' : 'person'
}

export function abilitiesOf(address: Address, me: Address): Abilities {
  return CONVERSATIONS[kindOf(address, me)]
}

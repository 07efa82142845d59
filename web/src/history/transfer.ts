/**
 * The types and facts of a transfer of the history between two devices of an account. The new device asks for one part
 * after another and names the place to continue from, so interrupted parts are asked for again.
 */
import { base64urlnopad } from '@scure/base'
import type { Database } from '../local/database'
import type { Moment } from '../local/types'
import type { Plan } from './collect'
import { newId, newSecret } from './seal'

/**
 * A request from one device to another of the same account. `device`: the id of the requesting device in the
 * encryption.
 */
export type Question =
  /** The next part of a transfer. */
  | { type: 'part'; transfer: string; sealed: Uint8Array }
  /** A request for the history, which the person has to approve on the other device. */
  | { type: 'request'; device: number; name: string }
  /** Tells that the person has decided about a request. */
  | { type: 'decided' }

export interface PartAnswer {
  sealed: Uint8Array
}

export type Decision = 'asking' | 'agreed' | 'refused'

/** `letter`: a `Letter`, encrypted for the requesting device, once the person has approved. */
export interface RequestAnswer<Envelope> {
  device: number
  name: string
  decision: Decision
  letter?: Envelope
}

/** What a device needs to receive a history: the id of the transfer and the shared secret, in base64url. */
export interface Letter {
  id: string
  secret: string
}

/** The state of a receiving device. */
export interface Taking extends Letter {
  /** Where to continue, in the sender's format; empty: at the beginning. */
  place: string
  /** The number of messages received, of those that are new here, and of all (approximately). */
  done: number
  added: number
  total: number
  /** Records that this version does not know, or that were invalid. */
  skipped: number
  /** `full`: this device has no space left; `stopped`: by the user, on either device. */
  state: 'running' | 'done' | 'stopped' | 'full'
  begun: Moment
  /** When the last part was received. */
  at: Moment
  /** How many characters of records to request at once. */
  most: number
  /** Whether the sender knows that it has ended, and the person has seen it. */
  told: boolean
  dismissed?: boolean
}

/** The state of a sending device. */
export interface Giving extends Letter {
  /** The name of the receiving device, as it calls itself. */
  name: string
  done: number
  total: number
  state: 'waiting' | 'running' | 'done' | 'stopped'
  begun: Moment
  at: Moment
  /** The user has seen that the transfer has ended. */
  dismissed?: boolean
}

/** A request of the receiving device, before encryption. */
export interface Ask {
  v: 1
  op: 'part' | 'done'
  place: string
  most: number
  /** Its id and key in the encryption, so that they need not be compared. */
  device: number
  fingerprint: string
}

/** The first line of a part. */
export interface Head {
  v: 1
  /** null: there is no further part. */
  next: string | null
  done: number
  total: number
  /** The person has stopped it there. */
  stopped: boolean
}

/** Names of facts in the local storage. */
export const TAKING = 'history.taking'
export const GIVING = 'history.giving '
export const PLAN = 'history.plan '

/** The size of one part of a transfer, in characters. Failures reduce it down to the smallest. */
export const MAX_PART = 96_000
export const MIN_PART = 6_000
/** How long an inactive transfer is kept. */
const KEPT_MS = 30 * 86_400_000
const MAX_GIVING = 8
const BASE64URL = /^[A-Za-z0-9_-]+$/

/** Starts a transfer. Returns what the other device has to be told, in a way that nobody else can read. */
export async function beginGiving(db: Database, name: string, now: Moment): Promise<Letter> {
  const letter: Letter = { id: base64urlnopad.encode(newId()), secret: base64urlnopad.encode(newSecret()) }
  await db.transaction('rw', db.facts, async () => {
    const others = await givings(db)
    const old = others.filter(({ at }, place) => place >= MAX_GIVING - 1 || now - at > KEPT_MS)
    for (const { id } of old) await forgetGiving(db, id)
    const giving: Giving = {
      ...letter,
      ...{ name: name.slice(0, 60), done: 0, total: 0, state: 'waiting', begun: now, at: now }
    }
    await db.setFact(GIVING + letter.id, giving)
  })
  return letter
}

export async function forgetGiving(db: Database, id: string): Promise<void> {
  await db.facts.bulkDelete([GIVING + id, PLAN + id])
}

/** All transfers from this device, the newest first. */
export async function givings(db: Database): Promise<Giving[]> {
  const rows = await db.facts.where('name').startsWith(GIVING).toArray()
  return rows.map(({ value }) => value as Giving).sort((a, b) => b.begun - a.begun)
}

export async function planOfGiving(db: Database, id: string): Promise<Plan | undefined> {
  return db.fact<Plan>(PLAN + id)
}

/** Starts to receive, with what the other device has told. False: it is not a valid letter. */
export async function beginTaking(db: Database, letter: unknown, now: Moment): Promise<boolean> {
  if (!isLetter(letter)) return false
  const { id, secret } = letter
  const taking: Taking = {
    ...{ id, secret, place: '', done: 0, added: 0, total: 0, skipped: 0, state: 'running' },
    ...{ begun: now, at: 0, most: MAX_PART, told: false }
  }
  await db.transaction('rw', db.facts, async () => {
    const before = await db.fact<Taking>(TAKING)
    if (before?.id !== id) await db.setFact(TAKING, taking)
    else if (before.state === 'stopped') await db.setFact(TAKING, { ...before, state: 'running' })
  })
  return true
}

function isLetter(letter: unknown): letter is Letter {
  const { id, secret } = (letter ?? {}) as Partial<Record<keyof Letter, unknown>>
  return (
    typeof id === 'string' &&
    id.length >= 16 &&
    id.length <= 64 &&
    BASE64URL.test(id) &&
    typeof secret === 'string' &&
    secret.length === 43 &&
    BASE64URL.test(secret)
  )
}

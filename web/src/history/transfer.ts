/**
 * The types and facts of a transfer of the history between two devices of an account. The new device asks for one part
 * after another and names the place to continue from, so interrupted parts are asked for again.
 */
import { base64urlnopad } from '@scure/base'
import type { Database } from '../local/database'
import type { Moment } from '../local/types'
import type { Plan } from './collect'
import { newId, newSecret } from './seal'

/** What one device asks another of the same account. `device`: the one that asks, by its id in the encryption. */
export type Question =
  /** The next part of a transfer. */
  | { type: 'part'; transfer: string; sealed: Uint8Array }
  /** To be given the history, once the person there agrees. */
  | { type: 'request'; device: number; name: string }
  /** Tells that the person has decided on a request. */
  | { type: 'decided' }

export interface PartAnswer {
  sealed: Uint8Array
}

export type Decision = 'asking' | 'agreed' | 'refused'

/** `letter`: a `Letter`, encrypted for the device that has asked, once the person has agreed. */
export interface RequestAnswer<Envelope> {
  device: number
  name: string
  decision: Decision
  letter?: Envelope
}

/** What lets a device take a history: the name of the transfer and the secret of the two, in base64url. */
export interface Letter {
  id: string
  secret: string
}

/** Of the device that takes. */
export interface Taking extends Letter {
  /** Where to go on, in the giver's words; empty: at the beginning. */
  place: string
  /** Messages that came, those that are new here, and about how many there are. */
  done: number
  added: number
  total: number
  /** Records that this version does not know, or that were not sound. */
  skipped: number
  /** `full`: there is no room; `stopped`: by the person, here or there. */
  state: 'running' | 'done' | 'stopped' | 'full'
  begun: Moment
  /** When the last part came. */
  at: Moment
  /** Characters of records to ask for at once. */
  most: number
  /** The giver knows that it is over, and the person. */
  told: boolean
  dismissed?: boolean
}

/** Of the device that gives. */
export interface Giving extends Letter {
  /** Of the device that takes, as it calls itself. */
  name: string
  done: number
  total: number
  state: 'waiting' | 'running' | 'done' | 'stopped'
  begun: Moment
  at: Moment
  /** The person has seen that it is over. */
  dismissed?: boolean
}

/** What the device that takes says, sealed. */
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
  /** null: that was all. */
  next: string | null
  done: number
  total: number
  /** The person there does not want it any more. */
  stopped: boolean
}

/** Names of facts in the local storage. */
export const TAKING = 'history.taking'
export const GIVING = 'history.giving '
export const PLAN = 'history.plan '

export const MOST = 96_000
export const LEAST = 6_000
/** Of a transfer that nothing was heard of. */
const KEPT_MS = 30 * 86_400_000
const MOST_GIVING = 8
const BASE64URL = /^[A-Za-z0-9_-]+$/

/** Begins to give: what the other device has to be told, by a way that nobody else can read. */
export async function beginGiving(db: Database, name: string, now: Moment): Promise<Letter> {
  const letter: Letter = { id: base64urlnopad.encode(newId()), secret: base64urlnopad.encode(newSecret()) }
  await db.transaction('rw', db.facts, async () => {
    const others = await givings(db)
    const old = others.filter(({ at }, place) => place >= MOST_GIVING - 1 || now - at > KEPT_MS)
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

/** All that are given, the newest first. */
export async function givings(db: Database): Promise<Giving[]> {
  const rows = await db.facts.where('name').startsWith(GIVING).toArray()
  return rows.map(({ value }) => value as Giving).sort((a, b) => b.begun - a.begun)
}

export async function planOfGiving(db: Database, id: string): Promise<Plan | undefined> {
  return db.fact<Plan>(PLAN + id)
}

/** Begins to take, with what the other device has told. False: that is no letter. */
export async function beginTaking(db: Database, letter: unknown, now: Moment): Promise<boolean> {
  if (!isLetter(letter)) return false
  const { id, secret } = letter
  const taking: Taking = {
    ...{ id, secret, place: '', done: 0, added: 0, total: 0, skipped: 0, state: 'running' },
    ...{ begun: now, at: 0, most: MOST, told: false }
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

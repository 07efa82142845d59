/** Statuses: what people show for a day (docs/status.md). What others send is checked, and bounded. */
import { isRecord } from './records'
import type { Address, Contact, Moment } from './types'

/** A status lasts for at most this long, in milliseconds, whatever its author says. */
export const LONGEST_STATUS = 86_400_000
export const LONGEST_STATUS_TEXT = 700
const MOST_TOGETHER = 100
const LONGEST_ID = 100
const KINDS = ['text', 'photo', 'video', 'voice'] as const

export type StatusKind = (typeof KINDS)[number]

/** The grounds of a text. White letters on each have a contrast of at least 4.5 : 1. */
export const COLORS = ['#0f5c6e', '#7a3e9d', '#a8231c', '#2b6b3f', '#8a4b08', '#2f4b9a', '#3c4549'] as const

export interface Status {
  /** `AUTHOR ID`. */
  key: string
  author: Address
  id: string
  /** When the author's server took it; of one that waits to be sent, when it was written. */
  at: Moment
  until: Moment
  kind: StatusKind
  text: string
  /** `#rrggbb`, the ground of a text; empty: the default. */
  color: string
  /** Its author allows others to forward and save it. */
  forward: boolean
  /** It was shown on a device of the user. */
  seen: boolean
  /** Of the user's own; one of others is `sent`. */
  progress: 'waiting' | 'sent' | 'failed'
  /** Of the user's own: who has seen it, and when. */
  viewers: Record<Address, Moment>
  /** Of the user's own, posted here: whom it is for. */
  audience?: Audience
}

/** Something to tell the service, in order: that a status was seen, or is deleted for everyone. */
export interface StatusTask {
  seq?: number
  type: 'seen' | 'retract'
  author: Address
  id: string
}

/** Of the contacts who have the user as a contact, too: all, all but `people`, or only `people`. */
export interface Audience {
  mode: 'contacts' | 'except' | 'only'
  people: Address[]
}

/** A fact: the audience that was chosen last. */
export const AUDIENCE = 'status.audience'
/** A fact: the addresses of people whose statuses are muted. */
export const MUTED = 'status.muted'

export function statusKey(author: Address, id: string): string {
  return `${author} ${id}`
}

export function isStatusId(id: string): boolean {
  return id.length > 0 && id.length <= LONGEST_ID
}

/** What was sealed in a status; undefined: it is none, or of a later version. */
export function statusIn(
  json: string | undefined,
  text: string
): (Pick<Status, 'kind' | 'text' | 'color' | 'forward'> & { lasts: number }) | undefined {
  let said: unknown
  try {
    said = JSON.parse(json ?? '')
  } catch {
    return undefined
  }
  const status = isRecord(said) ? said['status'] : undefined
  if (!isRecord(status) || status['v'] !== 1) return undefined
  const kind = KINDS.find((one) => one === status['kind'])
  if (!kind || (kind === 'text' && !text.trim())) return undefined
  const { color, seconds, forward } = status
  const known = typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0
  return {
    kind,
    text: [...text].slice(0, LONGEST_STATUS_TEXT).join(''),
    color: typeof color === 'string' && /^#[0-9a-f]{6}$/i.test(color) ? color.toLowerCase() : '',
    forward: forward === true,
    lasts: known ? Math.min(seconds * 1000, LONGEST_STATUS) : LONGEST_STATUS
  }
}

/** What is sealed in a status of the user. */
export function statusWritten({ kind, color, forward }: Status): string {
  return JSON.stringify({ status: { v: 1, kind, color, seconds: LONGEST_STATUS / 1000, forward } })
}

/** Whether somebody and the user see each other's statuses: contacts in both directions, who are not blocked. */
export function isMutual(contact: Contact | undefined): boolean {
  return contact?.subscription === 'both' && !contact.blocked
}

/** Whom a status goes to: never to people who are blocked, or are not contacts in both directions. */
export function readersOf({ mode, people }: Audience, contacts: readonly Contact[], me: Address): Address[] {
  const named = new Set(people)
  return contacts
    .filter((contact) => contact.address !== me && isMutual(contact))
    .filter(({ address }) => mode === 'contacts' || named.has(address) === (mode === 'only'))
    .map(({ address }) => address)
}

/** The statuses of a person. */
export interface Ring {
  author: Address
  /** The oldest first. */
  statuses: Status[]
  unseen: number
  muted: boolean
}

/** By person: unseen ones first, then seen ones, each with the newest first; then those who are muted. */
export function ringsOf(all: readonly Status[], muted: readonly Address[], me: Address, now: Moment): Ring[] {
  const people = new Map<Address, Status[]>()
  for (const status of all) {
    if (status.author === me || status.until <= now) continue
    const known = people.get(status.author)
    if (known) known.push(status)
    else people.set(status.author, [status])
  }
  const rings = [...people].map(([author, statuses]): Ring => {
    statuses.sort((a, b) => a.at - b.at)
    const unseen = statuses.filter(({ seen }) => !seen).length
    return { author, statuses: statuses.slice(-MOST_TOGETHER), unseen, muted: muted.includes(author) }
  })
  const newest = ({ statuses }: Ring) => statuses.at(-1)?.at ?? 0
  const place = ({ muted, unseen }: Ring) => (muted ? 2 : unseen ? 0 : 1)
  return rings.sort((a, b) => place(a) - place(b) || newest(b) - newest(a))
}

/** The user's own statuses, the oldest first. Those that were not sent do not expire. */
export function ownOf(all: readonly Status[], me: Address, now: Moment): Status[] {
  const mine = all.filter((one) => one.author === me && (one.progress !== 'sent' || one.until > now))
  return mine.sort((a, b) => a.at - b.at)
}

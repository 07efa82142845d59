/**
 * Tables for everything that the app says about a message's encryption and delivery, about what can't be shown, and
 * about presence. All screens take their texts and icons from here.
 */
import { abilitiesOf, kindOf } from '../local/conversation'
import { valueOf } from '../local/by-address'
import type { Address, Failure, Message, Progress, SentChange } from '../local/types'
import type { Live } from '../sync/app'
import { t } from '../strings/strings.svelte'
import type { Key } from '../strings/texts'
import type { ICONS } from './icons'
import { isolated } from './names'
import { lastSeen } from './time'

/** `danger`: shown in the colour of errors. */
interface Sign {
  icon?: keyof typeof ICONS
  danger?: true
}

/**
 * How a message was protected. `untrusted`: encrypted, by a device whose key was not compared or is distrusted;
 * `nothing`: not mentioned, as for deleted messages and those of the server.
 */
export type Encryption = 'encrypted' | 'untrusted' | 'plain' | 'nothing'

/** `beside`: in the conversation; `long`: in the details. */
export const ENCRYPTION: Record<Encryption, Sign & { beside?: Key; long?: Key }> = {
  encrypted: { long: 'encrypted.short' },
  untrusted: { beside: 'message.untrusted', long: 'message-info.untrusted' },
  plain: { beside: 'message.plain', long: 'message-info.plain', danger: true },
  nothing: {}
}

export function encryptionOf({ kind, encrypted, untrusted, chat }: Message, me: Address): Encryption {
  if (kind !== 'text' || !abilitiesOf(chat, me).encrypts) return 'nothing'
  if (untrusted !== undefined) return 'untrusted'
  return encrypted ? 'encrypted' : 'plain'
}

/** Shapes of the marks, on a grid of 20 by 14. */
export type Shape = 'clock' | 'alert' | 'tick' | 'ticks'

export const DELIVERY: Record<Progress, Sign & { label: Key; shape: Shape }> = {
  waiting: { label: 'mark.waiting', shape: 'clock' },
  sent: { label: 'mark.sent', shape: 'tick' },
  delivered: { label: 'mark.delivered', shape: 'ticks' },
  read: { label: 'mark.read', shape: 'ticks' },
  failed: { label: 'mark.failed', shape: 'alert', danger: true }
}

/** The delivery state of a message of the user; undefined: it is not shown. */
export function deliveryOf({ mine, kind, progress }: Message): Progress | undefined {
  return mine && kind === 'text' ? progress : undefined
}

/** Why something was not sent, and what is offered. */
export interface Ways {
  /** For a message. */
  reason?: Key
  /** For a change of a message, after what was not sent. */
  why?: Key
  /** To compare keys; to send without comparing; to try again. */
  compare: boolean
  anyway: boolean
  again: Key
}

const alone = { compare: false, anyway: false, again: 'failure.again' } as const
export const FAILURES: Record<Failure | 'unknown', Ways> = {
  'no-device': { reason: 'failure.no-device', why: 'why.no-device', ...alone },
  undecided: { ...alone, reason: 'failure.undecided', why: 'why.undecided', compare: true, anyway: true },
  distrusted: { ...alone, reason: 'failure.distrusted', why: 'why.distrusted', compare: true },
  refused: { reason: 'failure.refused', why: 'why.refused', ...alone },
  unreachable: { reason: 'failure.unreachable', why: 'why.unreachable', ...alone },
  stopped: { ...alone, reason: 'failure.stopped', again: 'failure.go-on' },
  'too-large': { ...alone, reason: 'failure.too-large' },
  quota: { ...alone, reason: 'failure.quota' },
  'no-file': { ...alone, reason: 'failure.no-file' },
  unknown: { ...alone, again: 'message.retry' }
}

/** A change of a message that was not sent. */
export interface Unsent {
  kind: SentChange
  text: Key
  ways: Ways
  /** Whether it can be taken back. */
  undo: boolean
}

/** The changes of a message that were not sent. As long as the message itself was not sent, only that is said. */
export function unsentOf(message: Message): Unsent[] {
  if (deliveryOf(message) === 'failed') return []
  return Object.entries(message.unsent ?? {}).map(([name, { failure }]) => {
    const kind = name as SentChange
    const unpins = kind === 'pin' && !message.pinned
    const text = unpins ? 'unsent.unpin' : (`unsent.${kind}` as const)
    return { kind, text, ways: FAILURES[failure], undo: kind !== 'retraction' && !unpins }
  })
}

export function failureOf(message: Message): Failure | 'unknown' | undefined {
  return deliveryOf(message) === 'failed' ? (message.failure ?? 'unknown') : undefined
}

/** What is shown instead of a text. `asked`: the sender's device was asked to send the message again. */
export type Absence =
  'deleted' | 'deleted-by-admin' | 'deleted-by-me' | 'unreadable' | 'asked' | 'other-method' | 'named-method'

/** `one`: in the conversation; `many`: for several in a row; `short`: in the list of chats. */
export const ABSENCES: Record<Absence, { icon: keyof typeof ICONS; one: Key; many: Key; short: Key }> = {
  deleted: {
    ...{ icon: 'block', one: 'message.deleted', many: 'message.deleted-many', short: 'message.deleted' }
  },
  'deleted-by-admin': {
    ...{ icon: 'block', one: 'message.deleted-by-admin', many: 'message.deleted-many' },
    short: 'message.deleted-by-admin'
  },
  'deleted-by-me': {
    ...{ icon: 'block', one: 'message.deleted-by-me', many: 'message.deleted-many' },
    short: 'message.deleted-by-me'
  },
  unreadable: {
    ...{ icon: 'lock', one: 'message.unreadable', many: 'message.unreadable.many' },
    short: 'message.unreadable'
  },
  asked: {
    ...{ icon: 'lock', one: 'message.unreadable.asked', many: 'message.unreadable.asked.many' },
    short: 'message.unreadable.short'
  },
  'other-method': {
    ...{ icon: 'lock', one: 'message.other-method', many: 'message.other-method.many' },
    short: 'message.other-method.short'
  },
  'named-method': {
    ...{ icon: 'lock', one: 'message.named-method', many: 'message.named-method.many' },
    short: 'message.other-method.short'
  }
}

/** Undefined: the text is shown. */
export function absenceOf({ kind, mine, asked, method, deletedBy }: Message): Absence | undefined {
  if (kind === 'deleted' && deletedBy) return 'deleted-by-admin'
  if (kind === 'deleted') return mine ? 'deleted-by-me' : 'deleted'
  if (kind !== 'unreadable') return undefined
  if (method !== undefined) return method ? 'named-method' : 'other-method'
  return asked ? 'asked' : 'unreadable'
}

/** The text in the conversation for messages without a text of their own; empty: the text is shown. */
export function absenceText(message: Message, count: number): string {
  const absent = absenceOf(message)
  if (!absent) return ''
  const { one, many } = ABSENCES[absent]
  return t(count > 1 ? many : one, { count, method: isolated(message.method ?? '') })
}

/** `notes`, `server`: without presence; `seen`: offline, with a known time; `nothing`: unknown. */
export type There = 'notes' | 'server' | 'group' | 'typing' | 'online' | 'away' | 'seen' | 'nothing'

/** `seen` shows a time; `nothing` shows nothing. */
export const PRESENCE = {
  notes: 'notes.about',
  server: 'server.about',
  group: undefined,
  typing: 'typing',
  online: 'presence.online',
  away: 'presence.away',
  seen: undefined,
  nothing: undefined
} satisfies Record<There, Key | undefined>

/** Who is typing in a group. */
export function typingIn(group: Address, live: Live): Address[] {
  return Object.keys(live.typing)
    .filter((key) => key.startsWith(`${group}/`))
    .map((key) => key.slice(group.length + 1))
}

export function presenceOf(address: Address, me: Address, live: Live): There {
  const kind = kindOf(address, me)
  if (kind !== 'person') return kind
  if (valueOf(live.typing, address) !== undefined) return 'typing'
  const there = valueOf(live.present, address)
  if (there === 'online' || there === 'away') return there
  return valueOf(live.lastSeen, address) === undefined ? 'nothing' : 'seen'
}

/** The text for somebody's presence; empty: it is unknown. `now`: by the server's clock. */
export function presenceText(address: Address, me: Address, live: Live, now: number): string {
  const there = presenceOf(address, me, live)
  const key = PRESENCE[there]
  if (key) return t(key)
  return there === 'seen' ? lastSeen(valueOf(live.lastSeen, address) ?? now, now) : ''
}

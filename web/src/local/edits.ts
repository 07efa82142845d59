/**
 * The time limit for editing a message is a day. Edits of others are accepted for two days, since they may have waited
 * for a connection; later ones are shown as separate messages. Earlier versions are kept.
 */
import { entryOf, orderWaiting, timeOf } from './order'
import type { Change, Edit, Message, Moment, Version } from './types'

const DAY_MS = 86_400_000
/** How many edits before the newest are kept, besides the original. */
const MAX_EARLIER = 10
/** The tolerance for differences of clocks and for the time that a message takes. */
const NEAR_MS = 300_000

/** The message can't be edited any more: it is too old, was deleted, or does not exist here. */
export class TooLate extends Error {}

/** Of media, the caption is edited. */
export function mayEdit({ mine, kind, at, text, media }: Message, now: Moment): boolean {
  return mine && kind === 'text' && now - at < DAY_MS && (!media || text !== '')
}

/** Whether a change made at this time is too late. */
export function isTooLate({ at }: Message, changed: Moment): boolean {
  return changed - at > 2 * DAY_MS
}

/** Merges two changes: the newer one, with the other among its earlier ones; undefined: they are the same. */
export function merged(known: Change, change: Change): Change | undefined {
  if (known.order === change.order) return undefined
  if (known.earlier?.some(({ order }) => order === change.order)) return undefined
  return withAll(change, [...editsOf(known), ...editsOf(change)])
}

/** All edits of this kind and person, in order of time. */
export function editsOf(change: Change): Edit[] {
  const { id, order, text, unstyled, encrypted, emojis, waits, sent } = change
  const newest: Edit = {
    ...{ order, encrypted },
    ...(id !== undefined && { id }),
    ...(text !== undefined && { text }),
    ...(unstyled && { unstyled }),
    ...(emojis && { emojis }),
    ...(waits !== undefined && { waits }),
    ...(sent !== undefined && { sent })
  }
  return [...(change.earlier ?? []), newest]
}

/** The change with the newest of these edits; the others become its earlier ones. */
export function withAll({ key, target, kind, from, until }: Change, edits: Edit[]): Change {
  const all = [...new Map(edits.map((one) => [one.order, one])).values()]
  all.sort((one, other) => (rank(one) < rank(other) ? -1 : 1))
  const newest = all.pop() ?? { order: '', encrypted: false }
  return {
    ...{ key, target, kind, from, ...newest },
    ...(until !== undefined && { until }),
    ...(all.length && { earlier: all.slice(-MAX_EARLIER) })
  }
}

/** Changes that wait to be sent are later than all others. */
function rank({ order, waits }: Edit): string {
  return waits === undefined ? order : orderWaiting(waits)
}

/** Whether it was sent from here, and its order relative to changes of my other devices is unknown. */
export function isUnplaced({ order, waits }: Edit): boolean {
  return waits === undefined && entryOf(order) === undefined
}

/**
 * The time from which the archive has to decide whether a change of this device or one of another of my devices is the
 * newest; undefined: this is known. The times of changes sent from here differ a little from the server's.
 */
export function contestedSince(change: Change): Moment | undefined {
  const all = editsOf(change)
  const unplaced = all.filter(isUnplaced).map(({ order }) => timeOf(order))
  const since = Math.min(...unplaced) - NEAR_MS
  const others = all.filter(({ order }) => entryOf(order) !== undefined && timeOf(order) >= since)
  return unplaced.length && others.length ? since : undefined
}

/**
 * Whether a message may be changed: unencrypted changes do not change an encrypted message, and late ones change
 * nothing. Their text becomes a separate message.
 */
export function mayChange(message: Message, { encrypted, order }: Edit): boolean {
  return (encrypted || !message.encrypted) && !isTooLate(message, timeOf(order))
}

/** The message with the newest text that counts. An unencrypted edit does not change an encrypted message. */
export function edited(message: Message, change: Change): Message {
  const edits = editsOf(change).filter((one) => mayChange(message, one))
  const last = edits.pop()
  if (!last) return message
  const first: Version[] = message.standsIn
    ? []
    : [message.edits?.[0] ?? { text: message.text, at: message.at }]
  const versions = edits.map(({ text = '', order }): Version => ({ text, at: timeOf(order) }))
  const { text = '', order, unstyled } = last
  const after: Message = { ...message, text, edited: timeOf(order), edits: [...first, ...versions] }
  delete after.unstyled
  return unstyled ? { ...after, unstyled } : after
}

/**
 * How long a message can be changed: a day. From others it is taken for two, since their change may have waited for a
 * connection; what comes later is a message of its own. What it said before is kept.
 */
import { entryOf, orderWaiting, timeOf } from './order'
import type { Change, Edit, Message, Moment, Version } from './types'

const DAY_MS = 86_400_000
/** Edits before the newest that are kept, beside what was written first. */
const MOST = 10
/** So far may clocks be apart, and the time that a message is under way. */
const NEAR_MS = 300_000

/** The message can't be edited any more: it is too old, was deleted, or is not here. */
export class TooLate extends Error {}

export function mayEdit({ mine, kind, at }: Message, now: Moment): boolean {
  return mine && kind === 'text' && now - at < DAY_MS
}

/** Whether a change that was made then counts no more. */
export function isTooLate({ at }: Message, changed: Moment): boolean {
  return changed - at > 2 * DAY_MS
}

/** The newest of two changes, with the other among those before it; undefined: it is the same one. */
export function merged(known: Change, change: Change): Change | undefined {
  if (known.order === change.order) return undefined
  if (known.earlier?.some(({ order }) => order === change.order)) return undefined
  return withAll(change, [...editsOf(known), ...editsOf(change)])
}

/** All that a person has said of this kind, in order of time. */
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

/** The change with the newest of these in front, and the others before it. */
export function withAll({ key, target, kind, from, until }: Change, edits: Edit[]): Change {
  const all = [...new Map(edits.map((one) => [one.order, one])).values()]
  all.sort((one, other) => (rank(one) < rank(other) ? -1 : 1))
  const newest = all.pop() ?? { order: '', encrypted: false }
  return {
    ...{ key, target, kind, from, ...newest },
    ...(until !== undefined && { until }),
    ...(all.length && { earlier: all.slice(-MOST) })
  }
}

/** What waits here will be later than all that is there. */
function rank({ order, waits }: Edit): string {
  return waits === undefined ? order : orderWaiting(waits)
}

/** Whether it was sent from here, and its place among those of my other devices is not known. */
export function isUnplaced({ order, waits }: Edit): boolean {
  return waits === undefined && entryOf(order) === undefined
}

/**
 * Since when the archive has to tell which is the newest, mine of this device or one of another; undefined: that is clear.
 * The time of what was sent from here is a little other than the server's.
 */
export function contestedSince(change: Change): Moment | undefined {
  const all = editsOf(change)
  const unplaced = all.filter(isUnplaced).map(({ order }) => timeOf(order))
  const since = Math.min(...unplaced) - NEAR_MS
  const others = all.filter(({ order }) => entryOf(order) !== undefined && timeOf(order) >= since)
  return unplaced.length && others.length ? since : undefined
}

/** Those in the clear do not change an encrypted message, and late ones none: what they say is a message of its own. */
export function mayChange(message: Message, { encrypted, order }: Edit): boolean {
  return (encrypted || !message.encrypted) && !isTooLate(message, timeOf(order))
}

/** With the newest text that counts: one in the clear does not change an encrypted message. */
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

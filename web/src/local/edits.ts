/**
 * How long a message can be changed: a day. From others it is taken for two, since their change may have waited for a
 * connection; what comes later is a message of its own. What it said before is kept.
 */
import { timeOf } from './order'
import type { Change, Edit, Message, Moment, Version } from './types'

const DAY_MS = 86_400_000
/** Edits before the newest that are kept, beside what was written first. */
const MOST = 10

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
  const [older, newer] = known.order < change.order ? [known, change] : [change, known]
  const { id, order, text = '', unstyled, encrypted } = older
  const edit = { order, text, encrypted, ...(id && { id }), ...(unstyled && { unstyled }) }
  const both = [...(known.earlier ?? []), ...(change.earlier ?? []), edit]
  if (both.some((one, at) => at < both.length - 1 && one.order === order)) return undefined
  const earlier = both.sort((a, b) => (a.order < b.order ? -1 : 1)).slice(-MOST)
  return { ...newer, earlier }
}

/** Those in the clear do not change an encrypted message, and late ones none: what they say is a message of its own. */
export function mayChange(message: Message, { encrypted, order }: Edit): boolean {
  return (encrypted || !message.encrypted) && !isTooLate(message, timeOf(order))
}

/** With the newest text that counts: one in the clear does not change an encrypted message. */
export function edited(message: Message, change: Change): Message {
  const edits = [...(change.earlier ?? []), change].filter((one) => mayChange(message, one))
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

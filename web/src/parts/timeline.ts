/** How the messages of a conversation are grouped: by day, and in runs of one author. */
import type { Message } from '../local/types'
import { day, dayOf } from './time'

/** Milliseconds between messages of one run. */
const TOGETHER = 300_000

export interface Item {
  message: Message
  /** The day that begins with it; empty: the same as before. */
  day: string
  /** Of its run. */
  first: boolean
  last: boolean
  /** How many deleted messages in a row it stands for, of which it is the last. */
  count: number
}

/**
 * One item for each message. What has not changed is the same object as in `before`, so that it is not drawn again.
 * `divider`: key of the first unread message, which begins a run. `collapse`: deleted messages of one run are one item.
 */
export function group(
  messages: Message[],
  divider: string,
  before: ReadonlyMap<string, Item>,
  collapse = true
): Map<string, Item> {
  const items = new Map<string, Item>()
  let begun: Item | undefined
  messages.forEach((message, at) => {
    const together = (other: Message | undefined): boolean =>
      other !== undefined &&
      other.mine === message.mine &&
      other.kind !== 'notice' &&
      Math.abs(other.at - message.at) < TOGETHER &&
      dayOf(other.at) === dayOf(message.at)
    const earlier = messages[at - 1]
    const later = messages[at + 1]
    const item: Item = {
      message,
      day: !earlier || dayOf(earlier.at) !== dayOf(message.at) ? day(message.at) : '',
      first: !together(earlier) || message.key === divider,
      last: !together(later) || later?.key === divider,
      count: 1
    }
    if (begun) {
      item.count += begun.count
      item.day = begun.day
      item.first = begun.first
    }
    begun = undefined
    if (collapse && !item.last && message.kind === 'deleted' && later?.kind === 'deleted') {
      begun = item
      return
    }
    const known = before.get(message.key)
    const same =
      known?.message === message &&
      known.day === item.day &&
      known.first === item.first &&
      known.last === item.last &&
      known.count === item.count
    items.set(message.key, same ? known : item)
  })
  return items
}

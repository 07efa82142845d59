/** Groups the messages of a conversation by day, and in runs of one author. */
import type { Message } from '../local/types'
import { day, dayOf } from '../parts/time'

/** The maximum time between messages of a run, in milliseconds. */
const TOGETHER = 300_000

export interface Item {
  message: Message
  /** The day that begins with it; empty: the same as before. */
  day: string
  /** Whether it is the first or last of its run. */
  first: boolean
  last: boolean
  /** It stands for this many messages that say the same; their keys. */
  count: number
  keys: readonly string[]
  /** Whether the first unread message is among those that it stands for. */
  divides: boolean
}

/** Whether two messages say the same, for example that they can't be read. */
function alike(one: Message, other: Message | undefined): boolean {
  return (
    (one.kind === 'unreadable' || one.kind === 'deleted') &&
    other?.kind === one.kind &&
    !one.unsent &&
    !other.unsent &&
    other.from === one.from &&
    Boolean(other.asked) === Boolean(one.asked) &&
    other.method === one.method &&
    dayOf(other.at) === dayOf(one.at)
  )
}

/**
 * One item for each message. Unchanged items are the same objects as in `before`, so that they are not drawn again.
 * `divider`: the key of the first unread message, which begins a run. `collapse`: combine messages that say the same.
 */
export function group(
  messages: Message[],
  divider: string,
  before: ReadonlyMap<string, Item>,
  collapse = true
): Map<string, Item> {
  const items = new Map<string, Item>()
  const shown: { message: Message; keys: string[] }[] = []
  for (const message of messages) {
    const previous = shown.at(-1)
    if (collapse && previous && message.key !== divider && alike(previous.message, message))
      shown[shown.length - 1] = { message, keys: [...previous.keys, message.key] }
    else shown.push({ message, keys: [message.key] })
  }
  shown.forEach(({ message, keys }, at) => {
    const divides = keys[0] === divider
    const together = (other: Message | undefined): boolean =>
      other !== undefined &&
      other.from === message.from &&
      other.kind !== 'notice' &&
      Math.abs(other.at - message.at) < TOGETHER &&
      dayOf(other.at) === dayOf(message.at)
    const earlier = shown[at - 1]?.message
    const later = shown[at + 1]?.message
    const item: Item = {
      message,
      day: !earlier || dayOf(earlier.at) !== dayOf(message.at) ? day(message.at) : '',
      first: !together(earlier) || divides,
      last: !together(later) || shown[at + 1]?.keys[0] === divider,
      count: keys.length,
      keys,
      divides
    }
    const known = before.get(message.key)
    const same =
      known?.message === message &&
      known.day === item.day &&
      known.first === item.first &&
      known.last === item.last &&
      known.count === item.count &&
      known.keys[0] === item.keys[0] &&
      known.divides === item.divides
    items.set(message.key, same ? known : item)
  })
  return items
}

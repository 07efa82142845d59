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
  /** The messages of an album that are shown as one; empty: it is none. */
  album: readonly Message[]
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

/** Whether two messages are pictures or videos of the same album. One with a caption stands for itself. */
function together(one: Message, other: Message): boolean {
  return (
    one.media?.album !== undefined &&
    one.media.album === other.media?.album &&
    one.from === other.from &&
    [one, other].every(
      ({ kind, text, media, reactions, progress, starred }) =>
        kind === 'text' &&
        !text &&
        !media?.once &&
        !starred &&
        (media?.kind === 'picture' || media?.kind === 'video') &&
        progress !== 'failed' &&
        Object.keys(reactions).length === 0
    )
  )
}

const NO_ALBUM: readonly Message[] = []

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
  const shown: { message: Message; keys: string[]; album?: Message[] }[] = []
  for (const message of messages) {
    const previous = shown.at(-1)
    if (collapse && previous && message.key !== divider && alike(previous.message, message))
      shown[shown.length - 1] = { message, keys: [...previous.keys, message.key] }
    else if (collapse && previous && message.key !== divider && together(previous.message, message)) {
      const album = [...(previous.album ?? [previous.message]), message]
      shown[shown.length - 1] = { message, keys: [...previous.keys, message.key], album }
    } else shown.push({ message, keys: [message.key] })
  }
  shown.forEach(({ message, keys, album = NO_ALBUM }, at) => {
    const divides = keys[0] === divider
    const inRun = (other: Message | undefined): boolean =>
      other !== undefined &&
      other.from === message.from &&
      other.kind !== 'notice' &&
      other.kind !== 'call' &&
      message.kind !== 'call' &&
      Math.abs(other.at - message.at) < TOGETHER &&
      dayOf(other.at) === dayOf(message.at)
    const earlier = shown[at - 1]?.message
    const later = shown[at + 1]?.message
    const item: Item = {
      message,
      day: !earlier || dayOf(earlier.at) !== dayOf(message.at) ? day(message.at) : '',
      first: !inRun(earlier) || divides,
      last: !inRun(later) || shown[at + 1]?.keys[0] === divider,
      count: album.length ? 1 : keys.length,
      album,
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
      known.album.length === album.length &&
      known.album.every((one, place) => one === album[place]) &&
      known.keys[0] === item.keys[0] &&
      known.divides === item.divides
    items.set(message.key, same ? known : item)
  })
  return items
}

/** The state of one of my messages: waiting, sent, delivered, read. It never goes back. */
import type { Message, Moment, Progress } from './types'
import type { Work } from './work'

/** How many read messages are passed over before the search for unread ones before them ends. */
const LATE = 30

const RANK: Record<Progress, number> = { failed: 0, waiting: 1, sent: 2, delivered: 3, read: 4 }

/** One of my messages has come further; its state never goes back. */
export async function raise(work: Work, key: string, progress: Progress): Promise<void> {
  const message = await work.message(key)
  if (message?.mine) {
    const after = raised(message, progress)
    if (after !== message) work.setMessage(after)
  }
}

/**
 * Marks all my messages up to this one as read that they had received by then. Those they could not read are not.
 */
export async function raiseBefore(work: Work, message: Message, at: Moment): Promise<void> {
  await work.flush()
  const before = work.db.messages
    .where('[chat+at+order]')
    .between([message.chat, -Infinity, ''], [message.chat, message.at, message.order], true, true)
    .reverse()
  const found: Message[] = []
  let read = 0
  await before
    // One that they could read late may be among those that they have read
    .until((one) => one.mine && one.progress === 'read' && one.key !== message.key && ++read > LATE)
    .each((one) => {
      if (one.mine && one.progress === 'delivered' && (one.deliveredAt ?? 0) <= at) found.push(one)
    })
  for (const one of found) work.setMessage({ ...one, progress: 'read' })
}

function raised(message: Message, progress: Progress): Message {
  return RANK[progress] > RANK[message.progress] ? { ...message, progress } : message
}

/** The state and time from a receipt or marker. */
export function withReceipt(message: Message, kind: 'received' | 'displayed', at: Moment): Message {
  const after = raised(message, kind === 'displayed' ? 'read' : 'delivered')
  const time = kind === 'displayed' ? 'readAt' : 'deliveredAt'
  return at < (after[time] ?? Infinity) ? { ...after, [time]: at } : after
}

/** The effects of a change on its message and its chat. Nothing is stored here. */
import { edited } from './edits'
import { isWaiting, timeOf } from './order'
import { withReceipt } from './progress'
import type { Address, Change, Chat, Message } from './types'

export function changed(message: Message, change: Change, me: Address): Message {
  const { from } = change
  if (message.kind === 'deleted') return message
  switch (change.kind) {
    case 'edit':
      if (from !== message.from || message.kind !== 'text') return message
      return edited(message, change)
    case 'retraction':
      if (from !== message.from) return message
      return change.by === undefined ? deleted(message) : { ...deleted(message), deletedBy: change.by }
    case 'reaction': {
      const others = Object.entries(message.reactions).filter(([by]) => by !== from)
      if (change.emojis?.length) others.push([from, change.emojis])
      return { ...message, reactions: Object.fromEntries(others) }
    }
    case 'received':
    case 'displayed':
      if (!message.mine || from === me) return message
      return withReceipt(message, change.kind, timeOf(change.order))
    case 'alias':
      return message
    case 'vote': // see `tallied`
    case 'close':
      return message
    case 'pin':
      if (message.kind !== 'text' || change.order <= (message.pinOrder ?? '')) return message
      return { ...message, pinned: change.until ?? 0, pinOrder: change.order }
  }
}

/** A poll with the votes that were given before its author closed it, whatever has arrived first. */
export function tallied(message: Message, changes: readonly Change[]): Message {
  if (!message.poll) return message
  const end = changes.find(({ kind, from }) => kind === 'close' && from === message.from)?.order
  const counted = changes.filter(
    ({ kind, emojis, order }) =>
      kind === 'vote' && emojis?.length && (end === undefined || isWaiting(end) || order < end)
  )
  const rest = { ...message }
  delete rest.votes
  delete rest.closed
  if (counted.length) rest.votes = Object.fromEntries(counted.map(({ from, emojis = [] }) => [from, emojis]))
  if (end !== undefined) rest.closed = true
  return rest
}

function deleted(message: Message): Message {
  const rest = { ...message, kind: 'deleted' as const, text: '', reactions: {}, encrypted: true }
  delete rest.reply
  delete rest.edited
  delete rest.edits
  delete rest.pinned
  delete rest.forwarded
  delete rest.announcement
  delete rest.unstyled
  delete rest.starred
  delete rest.mentions
  delete rest.forMe
  delete rest.poll
  delete rest.media
  delete rest.votes
  delete rest.closed
  return rest
}

/** The effect of a marker on the whole chat. */
export function mark(chat: Chat, message: Message, change: Change, me: Address): void {
  if (change.kind !== 'displayed' || isWaiting(message.order)) return
  if (change.from === me) {
    if (!message.mine) readUpTo(chat, message.order)
  } else if (message.mine && message.order >= chat.seenTo) {
    const at = timeOf(change.order)
    chat.seenAt = message.order > chat.seenTo ? at : Math.max(at, chat.seenAt ?? 0)
    chat.seenTo = message.order
  }
}

export function readUpTo(chat: Chat, order: string): void {
  if (order > chat.readTo) chat.readTo = order
}

/** Marks a message as read, if it was delivered before the other person sent that they had read up to a later one. */
export function readIfSeen(message: Message, chat: Chat): Message {
  const { mine, order, progress, deliveredAt = 0 } = message
  const seen = mine && progress === 'delivered' && !isWaiting(order) && order <= chat.seenTo
  return seen && deliveredAt <= (chat.seenAt ?? Infinity) ? { ...message, progress: 'read' } : message
}

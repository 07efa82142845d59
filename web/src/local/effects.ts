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
    case 'vote': {
      if (!message.poll || message.closed) return message
      const others = Object.entries(message.votes ?? {}).filter(([by]) => by !== from)
      if (change.emojis?.length) others.push([from, change.emojis])
      return { ...message, votes: Object.fromEntries(others) }
    }
    case 'close':
      return from === message.from && message.poll ? { ...message, closed: true } : message
    case 'pin':
      if (message.kind !== 'text' || change.order <= (message.pinOrder ?? '')) return message
      return { ...message, pinned: change.until ?? 0, pinOrder: change.order }
  }
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

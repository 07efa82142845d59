/** An empty conversation. */
import type { Address, Chat, Message, Moment, Setting } from './types'

export function newChat(address: Address): Chat {
  return {
    address,
    at: 0,
    last: '',
    unread: 0,
    firstUnread: '',
    mutedUntil: 0,
    pinned: 0,
    archived: false,
    draft: '',
    disappears: 0,
    timerOrder: '',
    order: '',
    readTo: '',
    seenTo: '',
    firstOrder: ''
  }
}

/** Whether the user does not want to be told of a message: the chat is muted, and it is not for them. */
export function isQuiet(chat: Chat, { forMe }: Pick<Message, 'forMe'>, now: Moment): boolean {
  return chat.mutedUntil > now && !(forMe && !chat.mentionsMuted)
}

/** `Chat.setAt` after these settings were changed now, which is always later than before, whatever a clock says. */
export function setNow(
  before: Chat['setAt'],
  settings: readonly Setting[],
  now: Moment
): NonNullable<Chat['setAt']> {
  const after = { ...before }
  for (const setting of settings) after[setting] = Math.max(now, (before?.[setting] ?? 0) + 1)
  return after
}

/** An empty conversation. */
import type { Address, Chat, Moment, Setting } from './types'

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

/** A conversation before anything is in it. */
import type { Address, Chat } from './types'

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

/** Which chats the list shows, and in which order. */
import type { Address, Chat } from '../local/types'

export type Filter = 'all' | 'unread' | 'favourites'

/** Pinned chats first, then those with the newest message. */
export function inOrder(chats: Chat[], archived: boolean, filter: Filter = 'all'): Chat[] {
  return chats
    .filter((chat) => isListed(chat) && chat.archived === archived && matches(chat, filter))
    .sort((a, b) => b.pinned - a.pinned || b.at - a.at)
}

export function isListed(chat: Chat): boolean {
  return chat.last !== '' || chat.draft !== '' || chat.listed === true
}

function matches(chat: Chat, filter: Filter): boolean {
  if (filter === 'unread') return chat.unread > 0
  return filter === 'all' || chat.favourite === true
}

/** The chat after or before the open one; without an open one, the first or last. */
export function neighbour(chats: Chat[], open: Address, by: 1 | -1): Chat | undefined {
  const here = chats.findIndex((chat) => chat.address === open)
  if (here < 0) return chats.at(by > 0 ? 0 : -1)
  return chats[here + by]
}

/** The nearest chat with unread messages. */
export function nextUnread(chats: Chat[], open: Address, by: 1 | -1): Chat | undefined {
  const here = chats.findIndex((chat) => chat.address === open)
  const behind = by > 0 ? chats.slice(here + 1) : chats.slice(0, Math.max(0, here)).reverse()
  const before = by > 0 ? chats.slice(0, Math.max(0, here)) : chats.slice(here + 1).reverse()
  return [...behind, ...before].find((chat) => chat.unread > 0)
}

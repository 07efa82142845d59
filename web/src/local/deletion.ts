/** Deletes messages from this device, and keeps them from being stored again. */
import { countUnread, findLast } from './chats'
import { isWaiting } from './order'
import { ofChat } from './queries'
import type { Address, Chat } from './types'
import type { Work } from './work'

/** Removes messages from this device. They are not stored again when they are read from the archive. */
export async function forget(work: Work, keys: string[]): Promise<void> {
  const messages = (await work.db.messages.bulkGet(keys)).filter((message) => message !== undefined)
  await work.remove(keys)
  for (const address of new Set(messages.map((message) => message.chat))) {
    await findLast(work, address)
    const chat = await work.chat(address)
    if (chat.unread) await countUnread(work, chat)
  }
}

/** Whether a message with this order was deleted with the chat, here or on another of my devices. */
export function isCleared({ clearedTo = '' }: Chat, order: string): boolean {
  return order <= clearedTo && !isWaiting(order)
}

/** Deletes everything up to a point, also what is received later from before it. */
export async function clearTo(work: Work, address: Address, order: string): Promise<void> {
  const chat = await work.chat(address)
  if (!order || isWaiting(order) || order <= (chat.clearedTo ?? '')) return
  work.setChat({ ...chat, clearedTo: order })
  const over = await ofChat(work.db, address)
    .filter((message) => isCleared({ ...chat, clearedTo: order }, message.order))
    .primaryKeys()
  if (over.length) await forget(work, over)
}

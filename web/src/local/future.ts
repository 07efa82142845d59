/** Orders that are in the future: an earlier version of the app accepted them from live messages. */
import type { Database } from './database'
import { findLast, updateChat } from './chats'
import { move } from './messages'
import { isWaiting, orderAt } from './order'
import type { Moment } from './types'
import { Work } from './work'

const FUTURE_MS = 86_400_000

/**
 * Moves messages whose order is in the future and not from an archive to the order in the archive, else to now, and
 * unpins their chats.
 */
export async function toNow(db: Database, now: Moment): Promise<void> {
  const limit = orderAt(now + FUTURE_MS)
  const beyond = (order: string) => order > limit && !isWaiting(order)
  await Work.run(db, async (work) => {
    for (const chat of await db.chats.toArray()) {
      const far = await db.messages
        .where('[chat+at+order]')
        .between([chat.address, now + FUTURE_MS, ''], [chat.address, Infinity, '\uffff'])
        .sortBy('order')
      for (const { key, order, archive } of far) {
        if (beyond(order)) await move(work, key, archive ?? orderAt(now))
      }
      const places = [chat.readTo, chat.seenTo, chat.firstOrder, chat.timerOrder]
      if (!far.length && !places.some(beyond)) continue
      const here = (order: string) => (beyond(order) ? orderAt(now) : order)
      await updateChat(work, chat.address, {
        ...{ readTo: here(chat.readTo), seenTo: here(chat.seenTo), firstOrder: here(chat.firstOrder) },
        timerOrder: beyond(chat.timerOrder) ? '' : chat.timerOrder
      })
      await findLast(work, chat.address)
    }
  })
}

/** The row of a chat: its newest message, unread messages, and how far it was read. */
import { readUpTo } from './effects'
import { orderWaiting, timeOf } from './order'
import { ofChat } from './queries'
import type { Address, Change, Chat, Message } from './types'
import type { Work } from './work'

export async function updateChat(work: Work, address: Address, change: Partial<Chat>): Promise<void> {
  work.setChat({ ...(await work.chat(address)), ...change })
}

/** Notes that I have read everything up to there. */
export async function readTo(work: Work, address: Address, order: string): Promise<void> {
  const chat = { ...(await work.chat(address)) }
  if (order <= chat.readTo && !chat.unread) return
  readUpTo(chat, order)
  work.setChat(chat)
  await countUnread(work, chat)
}

/** Finds the newest message, after messages were deleted or moved. */
export async function findLast(work: Work, address: Address): Promise<void> {
  await work.flush()
  const chat = await work.chat(address)
  const last = await ofChat(work.db, address).last()
  work.setChat({ ...chat, last: last?.key ?? '', order: last?.order ?? '', at: last?.at ?? chat.at })
}

export async function recount(work: Work, chat: Chat, changes: Change[]): Promise<void> {
  const fresh = chat.firstOrder > chat.readTo || !chat.unread
  if (!fresh || changes.some((change) => change.kind === 'displayed')) await countUnread(work, chat)
}

/** Whether it is something that the user may not have noticed. */
export function countsAsUnread({ mine, kind, call }: Message): boolean {
  return !mine && kind !== 'notice' && (kind !== 'call' || call?.outcome === 'missed')
}

export async function countUnread(work: Work, chat: Chat): Promise<void> {
  await work.flush()
  let unread = 0
  let firstUnread = ''
  let firstOrder = ''
  let mentions = 0
  let firstMention = ''
  const from = chat.readTo ? timeOf(chat.readTo) : -Infinity
  await work.db.messages
    .where('[chat+at+order]')
    .between([chat.address, from, chat.readTo], [chat.address, Infinity, '\uffff'], false, true)
    .each((one) => {
      if (!countsAsUnread(one)) return
      unread += 1
      if (one.forMe && one.kind === 'text') {
        mentions += 1
        firstMention ||= one.key
      }
      if (!firstUnread) {
        firstUnread = one.key
        firstOrder = one.order
      }
    })
  const counted = { unread, mentions, firstMention, firstUnread, firstOrder }
  work.setChat({ ...(await work.chat(chat.address)), ...counted })
}

/** One of my timers that waited under this number was sent and gets its order, unless one of my later ones is waiting. */
export async function placeTimer(work: Work, address: Address, seq: number, order: string): Promise<void> {
  const { timerOrder, timerMeanwhile: theirs } = await work.chat(address)
  if (timerOrder !== orderWaiting(seq)) return
  const last =
    theirs && theirs.order > order
      ? { disappears: theirs.seconds, timerOrder: theirs.order }
      : { timerOrder: order }
  await updateChat(work, address, { ...last, timerMeanwhile: undefined })
}

/** Messages, combined with their changes so that the order of arrival does not matter. All writes use `Work`. */
import { deletedEverywhere } from './changes'
import { countsAsUnread, countUnread, findLast, recount } from './chats'
import { isCleared } from './deletion'
import { mayChange } from './edits'
import { changed, mark, readIfSeen, readUpTo, tallied } from './effects'
import { isWaiting, messageKey, timeOf } from './order'
import { raise, raiseBefore } from './progress'
import type { Address, Change, Chat, Message } from './types'
import type { Work } from './work'

/**
 * Adds a message, once; `true` if it was not known. A message that could not be read before is replaced, and one of
 * mine gets its order from the archive.
 */
export async function addMessage(work: Work, me: Address, message: Message): Promise<boolean> {
  if (await work.isSeen(message.key)) return false
  const known = await work.message(message.key)
  if (!known && isCleared(await work.chat(message.chat), message.order)) return false
  if (known && !gives(known, message)) {
    if (known.mine) await settle(work, known, message)
    return false
  }
  const chat = { ...(await work.chat(message.chat)) }
  let added: Message = known ? inPlaceOf(known, message) : message
  const changes = await work.allChanges(added.key)
  for (const change of changes) added = changed(added, change, me)
  added = tallied(added, changes)
  for (const change of changes) mark(chat, added, change, me)
  added = readIfSeen(added, chat)
  work.setMessage(added)
  if (added.kind === 'deleted') await deletedEverywhere(work, added)
  if (!known && countsAsUnread(added) && added.order > chat.readTo) {
    chat.unread += 1
    if (!chat.firstUnread || added.order < chat.firstOrder) {
      chat.firstUnread = added.key
      chat.firstOrder = added.order
    }
    if (added.forMe) countMention(chat, added)
  }
  if (added.at > chat.at || (added.at === chat.at && added.order >= chat.order)) {
    chat.at = added.at
    chat.last = added.key
    chat.order = added.order
  }
  if (added.mine) readUpTo(chat, isWaiting(added.order) ? chat.readTo : added.order)
  work.setChat(chat)
  const read = changes.find((change) => change.kind === 'displayed' && change.from !== me)
  if (added.mine && read) await raiseBefore(work, added, timeOf(read.order))
  if (known?.standsIn) {
    await findLast(work, added.chat)
    await countUnread(work, await work.chat(added.chat))
    await separate(work, me, added, changes)
  } else if (known && added.forMe && added.order > chat.readTo) {
    await countUnread(work, chat) // nobody knew it while it could not be read
  } else await recount(work, chat, changes)
  return !known
}

/** An unread message is for the user. */
function countMention(chat: Chat, message: Message): void {
  chat.mentions = (chat.mentions ?? 0) + 1
  // Messages come in the order of the group, except for those that could not be read
  if (chat.mentions === 1) chat.firstMention = message.key
}

/** Whether a message replaces the stored one with the same key. */
function gives(known: Message, message: Message): boolean {
  if (known.standsIn) return !message.standsIn
  return known.kind === 'unreadable' && message.kind !== 'unreadable'
}

function inPlaceOf(known: Message, message: Message): Message {
  const starred = known.starred && { starred: known.starred }
  // An unreadable one gives its order; a message made from a correction keeps its text
  if (message.kind === 'unreadable') return { ...known, at: message.at, order: message.order }
  if (known.standsIn) return { ...message, ...starred }
  return { ...message, at: known.at, order: known.order, ...starred }
}

/** Texts of corrections that do not apply to the message, now that it is here: each becomes a separate message. */
async function separate(work: Work, me: Address, message: Message, changes: Change[]): Promise<void> {
  const edits = changes.filter(({ kind, from }) => kind === 'edit' && from === message.from)
  const all = edits.flatMap((change) => [...(change.earlier ?? []), change])
  for (const { id, order, text = '', encrypted } of all.filter((one) => !mayChange(message, one))) {
    if (!id || message.kind === 'deleted') continue
    const { chat, from, mine, progress } = message
    const key = messageKey(chat, from, mine, id)
    const base = { key, chat, from, mine, id, progress, order, text, encrypted }
    await work.setUnseen([key])
    await addMessage(work, me, { ...base, at: timeOf(order), kind: 'text', reactions: {} })
  }
}

/** Changes the order of a message, for example when it was sent after it had waited. */
export async function place(work: Work, key: string, order: string): Promise<void> {
  const message = await move(work, key, order)
  if (message) await findLast(work, message.chat)
}

/** As `place`, for one of several; `findLast` has to be called once afterwards. */
export async function move(work: Work, key: string, order: string): Promise<Message | undefined> {
  const message = await work.message(key)
  if (!message) return undefined
  const at = timeOf(order)
  // It expires as long after the sending as on the other side, however long it has waited here
  const expires = message.expires !== undefined && { expires: at + message.expires - message.at }
  work.setMessage({ ...message, at, order, ...expires })
  return message
}

/** The archive has a message that is stored here: it gets its order from the archive. */
export async function settle(work: Work, known: Message, again: Message): Promise<void> {
  if (isWaiting(again.order)) return
  await raise(work, known.key, 'sent')
  if (known.order !== again.order) {
    await place(work, known.key, again.order)
    const message = await work.message(known.key)
    if (message) work.setMessage(readIfSeen(message, await work.chat(known.chat)))
  }
}

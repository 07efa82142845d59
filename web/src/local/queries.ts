/** The queries of screens. Each is made for `liveQuery`, and reads no more rows than it shows. */
import type { Database } from './database'
import type { Address, Chat, Contact, Message } from './types'

/** The messages of a chat, in order. */
export function ofChat(db: Database, address: Address) {
  return db.messages
    .where('[chat+at+order]')
    .between([address, -Infinity, ''], [address, Infinity, '\uffff'], true, true)
}

export interface ChatRow {
  chat: Chat
  contact: Contact | undefined
  last: Message | undefined
}

/** The list of chats: pinned ones first, then the newest. Chats without any message or draft are not included. */
export async function chatList(db: Database, archived = false): Promise<ChatRow[]> {
  const all = await db.chats.orderBy('at').reverse().toArray()
  const chats = all.filter((chat) => chat.archived === archived && (chat.last || chat.draft))
  chats.sort((a, b) => b.pinned - a.pinned || b.at - a.at)
  const [contacts, last] = await Promise.all([
    db.contacts.bulkGet(chats.map((chat) => chat.address)),
    db.messages.bulkGet(chats.map((chat) => chat.last))
  ])
  return chats.map((chat, at) => ({ chat, contact: contacts[at], last: last[at] }))
}

/** The newest messages of a chat, in order. */
export async function newest(db: Database, chat: Address, limit = 60): Promise<Message[]> {
  return (await ofChat(db, chat).reverse().limit(limit).toArray()).reverse()
}

/** The messages before a message, in order. */
export async function before(db: Database, message: Message, limit = 60): Promise<Message[]> {
  const { chat, at, order } = message
  const found = await db.messages
    .where('[chat+at+order]')
    .between([chat, -Infinity, ''], [chat, at, order], true, false)
    .reverse()
    .limit(limit)
    .toArray()
  return found.reverse()
}

/** The messages after a message, in order. */
export async function after(db: Database, message: Message, limit = 60): Promise<Message[]> {
  const { chat, at, order } = message
  return db.messages
    .where('[chat+at+order]')
    .between([chat, at, order], [chat, Infinity, '\uffff'], false, true)
    .limit(limit)
    .toArray()
}

/** A message with those before and after it, for jumping to it. */
export async function around(db: Database, key: string, limit = 60): Promise<Message[]> {
  const message = await db.messages.get(key)
  if (!message) return []
  const half = Math.ceil(limit / 2)
  const [earlier, later] = await Promise.all([before(db, message, half), after(db, message, half)])
  return [...earlier, message, ...later]
}

/** All messages from a given one on: what a conversation shows that was scrolled up to there. */
export async function since(db: Database, message: Message): Promise<Message[]> {
  const { chat, at, order } = message
  return db.messages
    .where('[chat+at+order]')
    .between([chat, at, order], [chat, Infinity, '\uffff'], true, true)
    .toArray()
}

export async function starred(db: Database, chat?: Address): Promise<Message[]> {
  const found = await db.messages.where('starred').equals(1).toArray()
  const wanted = chat === undefined ? found : found.filter((message) => message.chat === chat)
  return wanted.sort((a, b) => (a.order < b.order ? 1 : -1))
}

/** When one of my messages was read: they send this for one message, which includes all before it. */
export async function readTime(db: Database, message: Message): Promise<number | undefined> {
  const { chat, at, order } = message
  if (message.readAt !== undefined || message.progress !== 'read') return message.readAt
  const named = await db.messages
    .where('[chat+at+order]')
    .between([chat, at, order], [chat, Infinity, '\uffff'], false, true)
    .filter((one) => one.mine && one.readAt !== undefined)
    .first()
  return named?.readAt
}

/** The maximum number of pins in a chat, of both sides together. */
export const MAX_PINS = 3

/** The pinned messages of a chat: the newest pins, the newest first. */
export async function pinned(db: Database, chat: Address, now: number): Promise<Message[]> {
  const changes = await db.changes.where('key').startsWith(`pin ${chat} `).toArray()
  const messages = await db.messages.bulkGet([...new Set(changes.map((change) => change.target))])
  return messages
    .filter((message) => message?.kind === 'text' && (message.pinned ?? 0) > now)
    .map((message) => message as Message)
    .sort((a, b) => ((a.pinOrder ?? '') < (b.pinOrder ?? '') ? 1 : -1))
    .slice(0, MAX_PINS)
}

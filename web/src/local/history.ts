/**
 * Messages and what is said about them, put together so that the order in which they arrive does not matter.
 * All functions expect to run in a transaction over `db.historyTables`.
 */
import type { Database } from './database'
import { isWaiting, timeOf } from './order'
import type { Address, Change, Chat, Message, Progress } from './types'
import { wordsOf } from './words'

const RANK: Record<Progress, number> = { failed: 0, waiting: 1, sent: 2, delivered: 3, read: 4 }

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
    order: '',
    readTo: '',
    seenTo: '',
    firstOrder: ''
  }
}

/** `Change.key`. */
export function changeKey(kind: Change['kind'], target: string, from: Address): string {
  return `${kind} ${target} ${from}`
}

export async function chatOf(db: Database, address: Address): Promise<Chat> {
  return (await db.chats.get(address)) ?? newChat(address)
}

export async function updateChat(db: Database, address: Address, change: Partial<Chat>): Promise<void> {
  await db.chats.put({ ...(await chatOf(db, address)), ...change })
}

/**
 * Takes a message in, once; `true` if it was not known. One that could not be read before is replaced, and one of mine
 * that the archive tells of gets its place there.
 */
export async function addMessage(db: Database, me: Address, message: Message): Promise<boolean> {
  if (await db.seen.get(message.key)) return false
  const known = await db.messages.get(message.key)
  if (known && !(known.kind === 'unreadable' && message.kind !== 'unreadable')) {
    await settle(db, known, message)
    return false
  }
  const chat = await chatOf(db, message.chat)
  let added: Message = known ? { ...message, at: known.at, order: known.order } : message
  if (added.mine && added.progress === 'sent' && !isWaiting(added.order) && added.order <= chat.seenTo) {
    added = { ...added, progress: 'read' }
  }
  const changes = await db.changes.where('target').equals(added.key).toArray()
  for (const change of changes) added = changed(added, change, me)
  for (const change of changes) mark(chat, added, change, me)
  await store(db, added)
  if (!known && !added.mine && added.kind !== 'notice' && added.order > chat.readTo) {
    chat.unread += 1
    if (!chat.firstUnread || added.order < chat.firstOrder) {
      chat.firstUnread = added.key
      chat.firstOrder = added.order
    }
  }
  if (added.at > chat.at || (added.at === chat.at && added.order >= chat.order)) {
    chat.at = added.at
    chat.last = added.key
    chat.order = added.order
  }
  if (added.mine) readUpTo(chat, isWaiting(added.order) ? chat.readTo : added.order)
  await db.chats.put(chat)
  await recount(db, chat, changes)
  return !known
}

/** Keeps a change if it is the newest of its kind, and does it. `false` if it is old. */
export async function addChange(db: Database, me: Address, change: Change): Promise<boolean> {
  const known = await db.changes.get(change.key)
  if (known && known.order >= change.order) return false
  const message = await db.messages.get(change.target)
  // A receipt has had its effect, then; the others count again when the message is read anew
  if (!message || (change.kind !== 'received' && change.kind !== 'displayed')) await db.changes.put(change)
  if (!message) return true
  await store(db, changed(message, change, me))
  if (change.kind === 'displayed') {
    const chat = await chatOf(db, message.chat)
    mark(chat, message, change, me)
    await db.chats.put(chat)
    if (message.mine && change.from !== me) await raiseBefore(db, message)
    await recount(db, chat, [change])
  }
  return true
}

/** A message of mine has come further; it never goes back. */
export async function raise(db: Database, key: string, progress: Progress): Promise<void> {
  const message = await db.messages.get(key)
  if (message?.mine && RANK[progress] > RANK[message.progress]) await db.messages.update(key, { progress })
}

/** Gives a message another place, as when it was sent after it had waited. */
export async function place(db: Database, message: Message, order: string): Promise<void> {
  await db.messages.update(message.key, { at: timeOf(order), order })
  await findLast(db, message.chat)
}

/** I have read all up to there. */
export async function readTo(db: Database, address: Address, order: string): Promise<void> {
  const chat = await chatOf(db, address)
  if (order <= chat.readTo && !chat.unread) return
  readUpTo(chat, order)
  await db.chats.put(chat)
  await countUnread(db, chat)
}

/** Removes messages from this device; what the archive tells of them later is not taken in again. */
export async function forget(db: Database, keys: string[]): Promise<void> {
  const messages = (await db.messages.bulkGet(keys)).filter((message) => message !== undefined)
  await db.messages.bulkDelete(keys)
  await db.words.bulkDelete(keys)
  await db.changes.where('target').anyOf(keys).delete()
  await db.seen.bulkPut(keys.map((key) => ({ key })))
  for (const address of new Set(messages.map((message) => message.chat))) {
    await findLast(db, address)
    const chat = await db.chats.get(address)
    if (chat?.unread) await countUnread(db, chat)
  }
}

/** After messages have gone or moved: which is the newest. */
export async function findLast(db: Database, address: Address): Promise<void> {
  const chat = await db.chats.get(address)
  if (!chat) return
  const last = await ofChat(db, address).last()
  await db.chats.update(address, {
    last: last?.key ?? '',
    order: last?.order ?? '',
    at: last?.at ?? chat.at
  })
}

export function ofChat(db: Database, address: Address) {
  return db.messages
    .where('[chat+at+order]')
    .between([address, -Infinity, ''], [address, Infinity, '\uffff'], true, true)
}

async function settle(db: Database, known: Message, again: Message): Promise<void> {
  if (!known.mine || isWaiting(again.order)) return
  await raise(db, known.key, 'sent')
  if (known.order !== again.order) {
    await place(db, known, again.order)
    const chat = await chatOf(db, known.chat)
    if (again.order <= chat.seenTo) await raise(db, known.key, 'read')
  }
}

function changed(message: Message, change: Change, me: Address): Message {
  const { from } = change
  if (message.kind === 'deleted') return message
  switch (change.kind) {
    case 'edit':
      if (from !== message.from || message.kind !== 'text') return message
      if (message.encrypted && !change.encrypted) return message
      return { ...message, text: change.text ?? '', edited: timeOf(change.order) }
    case 'retraction':
      return from === message.from ? deleted(message) : message
    case 'reaction': {
      const others = Object.entries(message.reactions).filter(([by]) => by !== from)
      if (change.emojis?.length) others.push([from, change.emojis])
      return { ...message, reactions: Object.fromEntries(others) }
    }
    case 'received':
    case 'displayed':
      if (!message.mine || from === me) return message
      return raised(message, change.kind === 'displayed' ? 'read' : 'delivered')
  }
}

function deleted(message: Message): Message {
  const rest = { ...message, kind: 'deleted' as const, text: '', reactions: {} }
  delete rest.reply
  delete rest.edited
  delete rest.forwarded
  delete rest.starred
  return rest
}

function raised(message: Message, progress: Progress): Message {
  return RANK[progress] > RANK[message.progress] ? { ...message, progress } : message
}

/** What a marker says of the whole chat. */
function mark(chat: Chat, message: Message, change: Change, me: Address): void {
  if (change.kind !== 'displayed' || isWaiting(message.order)) return
  if (change.from === me) {
    if (!message.mine) readUpTo(chat, message.order)
  } else if (message.mine && message.order > chat.seenTo) {
    chat.seenTo = message.order
  }
}

function readUpTo(chat: Chat, order: string): void {
  if (order > chat.readTo) chat.readTo = order
}

/** All of mine up to this one were read. */
async function raiseBefore(db: Database, message: Message): Promise<void> {
  const before = db.messages
    .where('[chat+at+order]')
    .between([message.chat, -Infinity, ''], [message.chat, message.at, message.order], true, true)
    .reverse()
  const keys: string[] = []
  await before
    .until((one) => one.mine && one.progress === 'read' && one.key !== message.key)
    .each((one) => {
      if (one.mine && (one.progress === 'sent' || one.progress === 'delivered')) keys.push(one.key)
    })
  for (const key of keys) await db.messages.update(key, { progress: 'read' })
}

async function recount(db: Database, chat: Chat, changes: Change[]): Promise<void> {
  const fresh = chat.firstOrder > chat.readTo || !chat.unread
  if (!fresh || changes.some((change) => change.kind === 'displayed')) await countUnread(db, chat)
}

async function countUnread(db: Database, chat: Chat): Promise<void> {
  let unread = 0
  let firstUnread = ''
  let firstOrder = ''
  const from = chat.readTo ? timeOf(chat.readTo) : -Infinity
  await db.messages
    .where('[chat+at+order]')
    .between([chat.address, from, chat.readTo], [chat.address, Infinity, '\uffff'], false, true)
    .each((one) => {
      if (one.mine || one.kind === 'notice') return
      unread += 1
      if (!firstUnread) {
        firstUnread = one.key
        firstOrder = one.order
      }
    })
  await db.chats.update(chat.address, { unread, firstUnread, firstOrder })
}

async function store(db: Database, message: Message): Promise<void> {
  await db.messages.put(message)
  const words = message.kind === 'text' ? wordsOf(message.text) : []
  if (words.length) await db.words.put({ key: message.key, chat: message.chat, words })
  else await db.words.delete(message.key)
}

/**
 * Messages and what is said about them, put together so that the order in which they arrive does not matter. All that
 * changes is done within `Work`.
 */
import type { Database } from './database'
import { contestedSince, edited, editsOf, isUnplaced, mayChange, merged, withAll } from './edits'
import { isWaiting, messageKey, orderWaiting, timeOf } from './order'
import { dropQuotes } from './quotes'
import type { Address, Change, Chat, Message, Moment, Progress } from './types'
import type { Work } from './work'

/** Messages of mine that were read, before which nothing is looked for that was read since. */
const LATE = 30

const RANK: Record<Progress, number> = { failed: 0, waiting: 1, sent: 2, delivered: 3, read: 4 }

/** Facts, each for a chat: since when its archive is to tell the order of what several devices of mine have said. */
export const UNPLACED = 'unplaced '

/** `Change.key`. */
export function changeKey(kind: Change['kind'], target: string, from: Address): string {
  return `${kind} ${target} ${from}`
}

export async function updateChat(work: Work, address: Address, change: Partial<Chat>): Promise<void> {
  work.setChat({ ...(await work.chat(address)), ...change })
}

/**
 * Takes a message in, once; `true` if it was not known. One that could not be read before is replaced, and one of mine
 * that the archive tells of gets its place there.
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
  for (const change of changes) mark(chat, added, change, me)
  added = readIfSeen(added, chat)
  work.setMessage(added)
  if (added.kind === 'deleted') await deletedEverywhere(work, added)
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
  work.setChat(chat)
  const read = changes.find((change) => change.kind === 'displayed' && change.from !== me)
  if (added.mine && read) await raiseBefore(work, added, timeOf(read.order))
  if (known?.standsIn) {
    await findLast(work, added.chat)
    await countUnread(work, await work.chat(added.chat))
    await separate(work, me, added, changes)
  } else await recount(work, chat, changes)
  return !known
}

/** Whether a message is to take the place of what is here by its key. */
function gives(known: Message, message: Message): boolean {
  if (known.standsIn) return !message.standsIn
  return known.kind === 'unreadable' && message.kind !== 'unreadable'
}

function inPlaceOf(known: Message, message: Message): Message {
  const starred = known.starred && { starred: known.starred }
  // What can't be read gives its place; what stands in for it keeps the text
  if (message.kind === 'unreadable') return { ...known, at: message.at, order: message.order }
  if (known.standsIn) return { ...message, ...starred }
  return { ...message, at: known.at, order: known.order, ...starred }
}

/** Texts of corrections that do not change the message, now that it is here: each is a message of its own. */
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

/** Nothing of its text stays, not in its corrections and not where it is quoted. */
async function deletedEverywhere(work: Work, message: Message): Promise<void> {
  for (const { kind, key } of await work.allChanges(message.key)) if (kind === 'edit') work.dropChange(key)
  await dropQuotes(work, message)
}

/** They had it when they said that they have read up to there. */
function readIfSeen(message: Message, chat: Chat): Message {
  const { mine, order, progress, deliveredAt = 0 } = message
  const seen = mine && progress === 'delivered' && !isWaiting(order) && order <= chat.seenTo
  return seen && deliveredAt <= (chat.seenAt ?? Infinity) ? { ...message, progress: 'read' } : message
}

/** Whether what stands there was deleted with the chat, here or on another device of mine. */
export function isCleared({ clearedTo = '' }: Chat, order: string): boolean {
  return order <= clearedTo && !isWaiting(order)
}

/** Deletes all up to a place, and what comes from there later. */
export async function clearTo(work: Work, address: Address, order: string): Promise<void> {
  const chat = await work.chat(address)
  if (!order || isWaiting(order) || order <= (chat.clearedTo ?? '')) return
  work.setChat({ ...chat, clearedTo: order })
  const over = await ofChat(work.db, address)
    .filter((message) => isCleared({ ...chat, clearedTo: order }, message.order))
    .primaryKeys()
  if (over.length) await forget(work, over)
}

/** Keeps a change if it is the newest of its kind, and does it. `false` if it is old. */
export async function addChange(work: Work, me: Address, change: Change): Promise<boolean> {
  const known = await work.change(change.key, change.target)
  if (known && (change.kind === 'edit' || isContest(known, change, me)))
    return addEdit(work, me, known, change)
  if (known && known.order >= change.order) return false
  const message = await work.message(change.target)
  if (message?.kind === 'deleted' && change.kind === 'edit') return false
  const isMark = change.kind === 'received' || change.kind === 'displayed'
  // A receipt has had its effect, then; the others count again when the message is read anew
  if (!message || !isMark) work.setChange(change)
  if (!message) return true
  const after = readIfSeen(changed(message, change, me), await work.chat(message.chat))
  if (after !== message) work.setMessage(after)
  if (after.kind === 'deleted' && message.kind !== 'deleted') await deletedEverywhere(work, after)
  if (change.kind === 'displayed') {
    const chat = { ...(await work.chat(message.chat)) }
    mark(chat, message, change, me)
    work.setChat(chat)
    if (message.mine && change.from !== me) await raiseBefore(work, message, timeOf(change.order))
    await recount(work, chat, [change])
  }
  return true
}

/** One more edit of a message; whichever is the newest, what the message said between is kept. */
async function addEdit(work: Work, me: Address, known: Change, change: Change): Promise<boolean> {
  const both = merged(known, change)
  if (!both) return false
  await restate(work, me, both)
  return both.order === change.order
}

/** Several reactions of mine, of which it is not sure yet which is the newest. */
function isContest(known: Change, change: Change, me: Address): boolean {
  if (change.kind !== 'reaction' || change.from !== me) return false
  return [...editsOf(known), change].some((one) => one.waits !== undefined || isUnplaced(one))
}

/** What was said of a message is another now. */
async function restate(work: Work, me: Address, change: Change): Promise<void> {
  work.setChange(change)
  const message = await work.message(change.target)
  const after = message && changed(message, change, me)
  if (after && after !== message) work.setMessage(after)
  const since = change.from === me ? contestedSince(change) : undefined
  if (since === undefined) return
  const fact = UNPLACED + change.target.slice(0, change.target.indexOf(' '))
  const before = await work.db.fact<Moment>(fact)
  // Another each time: who is about to have read all since then sees that there is more
  await work.db.setFact(fact, Math.min(since, (before ?? Infinity) - 1))
}

/** What I have said of a message, sent with this id, has its place: by the archive, or for now by the time of sending. */
export async function placeChange(
  work: Work,
  me: Address,
  kind: 'edit' | 'reaction',
  target: string,
  sent: string,
  order: string
): Promise<void> {
  const change = await work.change(changeKey(kind, target, me), target)
  if (!change) return
  const all = editsOf(change)
  // What another device has put in its place may have its id
  const one = all.find(
    (edit) => (edit.sent ?? edit.id) === sent && (edit.waits !== undefined || isUnplaced(edit))
  )
  if (!one) return
  const placed = { ...one, order }
  delete placed.waits
  await restate(work, me, withAll(change, [...all.filter((edit) => edit !== one), placed]))
}

/** A message of mine has come further; it never goes back. */
export async function raise(work: Work, key: string, progress: Progress): Promise<void> {
  const message = await work.message(key)
  if (message?.mine) {
    const after = raised(message, progress)
    if (after !== message) work.setMessage(after)
  }
}

/** Gives a message another place, as when it was sent after it had waited. */
export async function place(work: Work, key: string, order: string): Promise<void> {
  const message = await move(work, key, order)
  if (message) await findLast(work, message.chat)
}

/** The same for one of several, after which `findLast` is to be called once. */
export async function move(work: Work, key: string, order: string): Promise<Message | undefined> {
  const message = await work.message(key)
  if (!message) return undefined
  const at = timeOf(order)
  // It goes as long after it was sent as on the other side, however long it has waited here
  const expires = message.expires !== undefined && { expires: at + message.expires - message.at }
  work.setMessage({ ...message, at, order, ...expires })
  return message
}

/** A timer of mine that waited under this number has its place; unless a later one of mine waits already. */
export async function placeTimer(work: Work, address: Address, seq: number, order: string): Promise<void> {
  const { timerOrder, timerMeanwhile: theirs } = await work.chat(address)
  if (timerOrder !== orderWaiting(seq)) return
  const last =
    theirs && theirs.order > order
      ? { disappears: theirs.seconds, timerOrder: theirs.order }
      : { timerOrder: order }
  await updateChat(work, address, { ...last, timerMeanwhile: undefined })
}

/** The archive tells of a message that is here: it gets its place there. */
export async function settle(work: Work, known: Message, again: Message): Promise<void> {
  if (isWaiting(again.order)) return
  await raise(work, known.key, 'sent')
  if (known.order !== again.order) {
    await place(work, known.key, again.order)
    const message = await work.message(known.key)
    if (message) work.setMessage(readIfSeen(message, await work.chat(known.chat)))
  }
}

/** I have read all up to there. */
export async function readTo(work: Work, address: Address, order: string): Promise<void> {
  const chat = { ...(await work.chat(address)) }
  if (order <= chat.readTo && !chat.unread) return
  readUpTo(chat, order)
  work.setChat(chat)
  await countUnread(work, chat)
}

/** Removes messages from this device; what the archive tells of them later is not taken in again. */
export async function forget(work: Work, keys: string[]): Promise<void> {
  const messages = (await work.db.messages.bulkGet(keys)).filter((message) => message !== undefined)
  await work.remove(keys)
  for (const address of new Set(messages.map((message) => message.chat))) {
    await findLast(work, address)
    const chat = await work.chat(address)
    if (chat.unread) await countUnread(work, chat)
  }
}

/** After messages have gone or moved: which is the newest. */
export async function findLast(work: Work, address: Address): Promise<void> {
  await work.flush()
  const chat = await work.chat(address)
  const last = await ofChat(work.db, address).last()
  work.setChat({ ...chat, last: last?.key ?? '', order: last?.order ?? '', at: last?.at ?? chat.at })
}

export function ofChat(db: Database, address: Address) {
  return db.messages
    .where('[chat+at+order]')
    .between([address, -Infinity, ''], [address, Infinity, '\uffff'], true, true)
}

function changed(message: Message, change: Change, me: Address): Message {
  const { from } = change
  if (message.kind === 'deleted') return message
  switch (change.kind) {
    case 'edit':
      if (from !== message.from || message.kind !== 'text') return message
      return edited(message, change)
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
      return told(message, change.kind, timeOf(change.order))
    case 'alias':
      return message
    case 'pin':
      if (message.kind !== 'text' || change.order <= (message.pinOrder ?? '')) return message
      return { ...message, pinned: change.until ?? 0, pinOrder: change.order }
  }
}

function deleted(message: Message): Message {
  const rest = { ...message, kind: 'deleted' as const, text: '', reactions: {}, encrypted: true }
  delete rest.reply
  delete rest.edited
  delete rest.edits
  delete rest.pinned
  delete rest.forwarded
  delete rest.unstyled
  delete rest.starred
  return rest
}

function raised(message: Message, progress: Progress): Message {
  return RANK[progress] > RANK[message.progress] ? { ...message, progress } : message
}

/** A receipt or marker tells how far it has come, and when. */
function told(message: Message, kind: 'received' | 'displayed', at: Moment): Message {
  const after = raised(message, kind === 'displayed' ? 'read' : 'delivered')
  const time = kind === 'displayed' ? 'readAt' : 'deliveredAt'
  return at < (after[time] ?? Infinity) ? { ...after, [time]: at } : after
}

/** What a marker says of the whole chat. */
function mark(chat: Chat, message: Message, change: Change, me: Address): void {
  if (change.kind !== 'displayed' || isWaiting(message.order)) return
  if (change.from === me) {
    if (!message.mine) readUpTo(chat, message.order)
  } else if (message.mine && message.order >= chat.seenTo) {
    const at = timeOf(change.order)
    chat.seenAt = message.order > chat.seenTo ? at : Math.max(at, chat.seenAt ?? 0)
    chat.seenTo = message.order
  }
}

function readUpTo(chat: Chat, order: string): void {
  if (order > chat.readTo) chat.readTo = order
}

/** All of mine up to this one were read that they had by then: what they could not read, they have not. */
async function raiseBefore(work: Work, message: Message, at: Moment): Promise<void> {
  await work.flush()
  const before = work.db.messages
    .where('[chat+at+order]')
    .between([message.chat, -Infinity, ''], [message.chat, message.at, message.order], true, true)
    .reverse()
  const found: Message[] = []
  let read = 0
  await before
    // One that they could read late may stand between those that they have read
    .until((one) => one.mine && one.progress === 'read' && one.key !== message.key && ++read > LATE)
    .each((one) => {
      if (one.mine && one.progress === 'delivered' && (one.deliveredAt ?? 0) <= at) found.push(one)
    })
  for (const one of found) work.setMessage({ ...one, progress: 'read' })
}

async function recount(work: Work, chat: Chat, changes: Change[]): Promise<void> {
  const fresh = chat.firstOrder > chat.readTo || !chat.unread
  if (!fresh || changes.some((change) => change.kind === 'displayed')) await countUnread(work, chat)
}

export async function countUnread(work: Work, chat: Chat): Promise<void> {
  await work.flush()
  let unread = 0
  let firstUnread = ''
  let firstOrder = ''
  const from = chat.readTo ? timeOf(chat.readTo) : -Infinity
  await work.db.messages
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
  work.setChat({ ...(await work.chat(chat.address)), unread, firstUnread, firstOrder })
}

/**
 * Changes of messages: edits, reactions, retractions, receipts, pins. The newest of each kind and person counts, in
 * whatever order they arrive.
 */
import { countUnread, recount } from './chats'
import { contestedSince, editsOf, isUnplaced, merged, withAll } from './edits'
import { changed, mark, readIfSeen, tallied } from './effects'
import { timeOf } from './order'
import { raiseBefore } from './progress'
import { dropQuotes } from './quotes'
import type { Address, Change, Message, Moment } from './types'
import type { Work } from './work'

/** Facts, one for each chat: from when on its archive has to decide the order of changes by several of my devices. */
export const UNPLACED = 'unplaced '

/** `Change.key`. */
export function changeKey(kind: Change['kind'], target: string, from: Address): string {
  return `${kind} ${target} ${from}`
}

/** Stores and applies a change if it is the newest of its kind. `false` if it is old. */
export async function addChange(work: Work, me: Address, change: Change): Promise<boolean> {
  const known = await work.change(change.key, change.target)
  if (known && (change.kind === 'edit' || isContest(known, change, me)))
    return addEdit(work, me, known, change)
  if (known && known.order >= change.order) return false
  const message = await work.message(change.target)
  if (message?.kind === 'deleted' && change.kind === 'edit') return false
  const isMark = change.kind === 'received' || change.kind === 'displayed'
  // A receipt has had its effect; the others are applied again when the message is read again
  if (!message || !isMark) work.setChange(change)
  if (!message) return true
  const isOfPoll = change.kind === 'vote' || change.kind === 'close'
  const said = isOfPoll ? tallied(message, await work.allChanges(message.key)) : changed(message, change, me)
  const after = readIfSeen(said, await work.chat(message.chat))
  if (after !== message) work.setMessage(after)
  if (after.kind === 'deleted' && message.kind !== 'deleted') {
    await deletedEverywhere(work, after)
    if (message.forMe) await countUnread(work, await work.chat(message.chat))
  }
  if (change.kind === 'displayed') {
    const chat = { ...(await work.chat(message.chat)) }
    mark(chat, message, change, me)
    work.setChat(chat)
    if (message.mine && change.from !== me) await raiseBefore(work, message, timeOf(change.order))
    await recount(work, chat, [change])
  }
  return true
}

/** Adds an edit of a message. Whichever is the newest, the versions in between are kept. */
async function addEdit(work: Work, me: Address, known: Change, change: Change): Promise<boolean> {
  const both = merged(known, change)
  if (!both) return false
  await restate(work, me, both)
  return both.order === change.order
}

/** Whether it is uncertain which of several of my reactions is the newest. */
function isContest(known: Change, change: Change, me: Address): boolean {
  if (change.kind !== 'reaction' || change.from !== me) return false
  return [...editsOf(known), change].some((one) => one.waits !== undefined || isUnplaced(one))
}

/** Stores a change with its earlier ones, and applies them again. */
export async function restate(work: Work, me: Address, change: Change): Promise<void> {
  work.setChange(change)
  const message = await work.message(change.target)
  const after = message && changed(message, change, me)
  if (after && after !== message) work.setMessage(after)
  const since = change.from === me ? contestedSince(change) : undefined
  if (since === undefined) return
  const fact = UNPLACED + change.target.slice(0, change.target.indexOf(' '))
  const before = await work.db.fact<Moment>(fact)
  // A different value each time: a running check notices that there is more to check
  await work.db.setFact(fact, Math.min(since, (before ?? Infinity) - 1))
}

/**
 * One of my changes that was sent with this id gets its order: from the archive, or for now from the time of sending.
 */
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
  // A change by another device that replaced it may have its id
  const one = all.find(
    (edit) => (edit.sent ?? edit.id) === sent && (edit.waits !== undefined || isUnplaced(edit))
  )
  if (!one) return
  const placed = { ...one, order }
  delete placed.waits
  await restate(work, me, withAll(change, [...all.filter((edit) => edit !== one), placed]))
}

/** Deletes all copies of its text: in its corrections, and where it is quoted. */
export async function deletedEverywhere(work: Work, message: Message): Promise<void> {
  for (const { kind, key } of await work.allChanges(message.key)) if (kind === 'edit') work.dropChange(key)
  await dropQuotes(work, message)
}

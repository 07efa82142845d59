/**
 * My changes of messages that could not be sent. They are shown here, and the message says that the others do not have
 * them (`Message.unsent`), until they are sent again, taken back, or replaced by a later change.
 */
import { changeKey, restate } from './changes'
import { findLast } from './chats'
import { editsOf, withAll } from './edits'
import { changed } from './effects'
import { messageKey, orderAt } from './order'
import type { Address, Change, Edit, Failure, Message, Moment, SentChange } from './types'
import type { Work } from './work'

const KINDS: readonly string[] = ['edit', 'reaction', 'retraction', 'pin'] satisfies SentChange[]

/** Notes that one of my changes, which was sent with this id, did not reach the others. */
export async function failChange(
  work: Work,
  me: Address,
  change: Change & { kind: SentChange },
  id: string,
  failure: Failure,
  now: Moment
): Promise<void> {
  const { kind, target } = change
  const all = editsOf(change)
  const one = all.find((edit) => sentId(edit) === id)
  if (!one) return
  const others = all.filter((edit) => edit !== one)
  if (one !== all.at(-1)) {
    // A later change replaces it anyway
    await restate(work, me, withAll(change, others))
    return
  }
  const message = await work.message(target)
  if (message?.progress === 'failed' && message.mine) {
    // They have not got the message either, so nothing of it is left there
    if (kind === 'retraction') return
    // and its new text is what it says when it is sent again
    if (kind === 'edit') {
      work.dropChange(change.key)
      work.setMessage(withoutVersions(message))
      return
    }
  }
  const placed = { ...one, ...(one.waits !== undefined && { order: orderAt(now) }) }
  delete placed.waits
  await restate(work, me, withAll(change, [...others, placed]))
  const after = await work.message(target)
  if (after) work.setMessage({ ...after, unsent: { ...after.unsent, [kind]: { id, failure } } })
}

/** My change in a chat that was sent with this id, if it is the newest of its kind. */
export async function changeSentAs(
  work: Work,
  me: Address,
  chat: Address,
  id: string
): Promise<(Change & { kind: SentChange }) | undefined> {
  await work.flush()
  const { changes } = work.db
  const found = [
    ...(await changes.where('sent').equals(id).toArray()),
    ...(await changes.where('id').equals(id).toArray())
  ]
  return found
    .filter(isSent)
    .find((change) => change.from === me && change.target.startsWith(`${chat} `) && sentId(change) === id)
}

export function isSent(change: Change): change is Change & { kind: SentChange } {
  return KINDS.includes(change.kind)
}

/**
 * Takes back one of my changes that was not sent: the message is as it was before. Returns the change; undefined: there
 * is none.
 */
export async function takeBack(
  work: Work,
  me: Address,
  key: string,
  kind: SentChange
): Promise<(Edit & Pick<Change, 'until'>) | undefined> {
  const message = await work.message(key)
  const failed = message?.unsent?.[kind]
  if (!message || !failed) return undefined
  work.setMessage(withoutUnsent(message, kind))
  const change = await work.change(changeKey(kind, key, me), key)
  const all = change ? editsOf(change) : []
  const one = all.find((edit) => sentId(edit) === failed.id)
  if (!change || !one || kind === 'retraction') return one
  const rest = all.filter((edit) => edit !== one)
  const before = rest.length ? withAll(change, rest) : undefined
  if (before) work.setChange(before)
  else work.dropChange(change.key)
  let base = withoutChange(withoutUnsent(message, kind), kind, me)
  const others = kind === 'pin' ? await work.allChanges(key) : []
  for (const other of before ? [before] : others.filter((other) => other.kind === kind))
    base = changed(base, other, me)
  work.setMessage(base)
  if (kind === 'pin') await dropNotice(work, me, message, failed.id)
  return { ...one, ...(change.until !== undefined && { until: change.until }) }
}

/** Whether one of my messages failed before it was sent, so that nobody knows of it. */
export function neverLeft({ mine, progress, failure }: Message): boolean {
  return mine && progress === 'failed' && failure !== 'refused' && failure !== 'unreachable'
}

/** A new change of a kind replaces one that was not sent. */
export async function replaceUnsent(
  work: Work,
  me: Address,
  message: Message,
  kind: SentChange
): Promise<Message> {
  if (message.unsent?.[kind]) await takeBack(work, me, message.key, kind)
  return (await work.message(message.key)) ?? message
}

/** The message with its text as the only version, as if it had been written that way. */
export function withoutVersions(message: Message): Message {
  const after = { ...message }
  delete after.edited
  delete after.edits
  return after
}

function withoutUnsent(message: Message, kind: SentChange): Message {
  const rest = { ...message.unsent }
  Reflect.deleteProperty(rest, kind)
  const after: Message = { ...message, unsent: rest }
  if (!Object.keys(rest).length) delete after.unsent
  return after
}

function withoutChange(message: Message, kind: SentChange, me: Address): Message {
  if (kind === 'edit') {
    const first = message.edits?.[0]
    return first ? { ...withoutVersions(message), text: first.text } : message
  }
  if (kind === 'reaction') {
    const others = Object.entries(message.reactions).filter(([by]) => by !== me)
    return { ...message, reactions: Object.fromEntries(others) }
  }
  const after = { ...message }
  delete after.pinned
  delete after.pinOrder
  return after
}

/** Removes the notice that I have pinned a message. */
async function dropNotice(work: Work, me: Address, { chat }: Message, id: string): Promise<void> {
  const key = messageKey(chat, me, true, `pin-${id}`)
  if (!(await work.message(key))) return
  work.dropMessage(key)
  await findLast(work, chat)
}

function sentId({ id, sent }: Pick<Change, 'id' | 'sent'>): string | undefined {
  return sent ?? id
}

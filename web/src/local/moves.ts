/**
 * Members of a group whose address has changed, for example with their number: what they have written before stays
 * theirs. Somebody else may get the former address later, so a change counts for what was said before it alone.
 */
import { changeKey } from './changes'
import { messageKey } from './order'
import type { Address, Change, Message, Move } from './types'
import type { Work } from './work'

/** More are not remembered. */
export const MOST_MOVES = 500

/** The address that the author of a message has now. `order`: of the message. */
export function currentOf(moves: readonly Move[], author: Address, order: string): Address {
  let now = author
  let since = order
  for (const { from, to, order: at } of moves) {
    if (from !== now || at <= since) continue
    now = to
    since = at
  }
  return now
}

/** Adds a change of address, in the order of the group. */
export function withMove(moves: readonly Move[], move: Move): Move[] {
  const others = moves.filter(({ order }) => order !== move.order)
  return [...others, move].sort((a, b) => (a.order < b.order ? -1 : 1)).slice(-MOST_MOVES)
}

/** Within a transaction: what is stored of a group from before the change names the new address. */
export async function movePerson(work: Work, me: Address, group: Address, move: Move): Promise<void> {
  await work.forget()
  const { db } = work
  const { from, to, order } = move
  const now = (address: Address): Address => (address === from ? to : address)
  const [before, after] = [messageKey(group, from, false, ''), messageKey(group, to, to === me, '')]
  const key = (old: string): string => (old.startsWith(before) ? after + old.slice(before.length) : old)

  const earlier = db.messages
    .where('[chat+at+order]')
    .between([group, -Infinity, ''], [group, Infinity, '\uffff'])
    .filter((message) => message.order < order && names(message, from))
  const all = await earlier.toArray()
  await db.messages.bulkDelete(all.map((message) => message.key))
  await db.messages.bulkPut(
    all.map((message) => ({
      ...renamed(message, now),
      key: key(message.key),
      mine: now(message.from) === me
    }))
  )

  const ofThem = (change: Change): boolean =>
    (change.from === from && change.order < order) || change.target.startsWith(before)
  const changes = await db.changes.where('target').startsWith(`${group} `).filter(ofThem).toArray()
  await db.changes.bulkDelete(changes.map((change) => change.key))
  await db.changes.bulkPut(
    changes.map((change) => {
      const target = key(change.target)
      const by = change.order < order ? now(change.from) : change.from
      const alias = change.kind === 'alias' && `alias ${key(change.key.slice('alias '.length))}`
      return { ...change, target, from: by, key: alias || changeKey(change.kind, target, by) }
    })
  )
  for (const table of [db.seen, db.words]) {
    const rows = await table.where('key').startsWith(before).toArray()
    await table.bulkDelete(rows.map((row) => row.key))
    await (table as typeof db.seen).bulkPut(rows.map((row) => ({ ...row, key: key(row.key) })))
  }
  const chat = await db.chats.get(group)
  if (chat) {
    const { last, firstUnread, firstMention = '' } = chat
    await db.chats.put({
      ...chat,
      ...{ last: key(last), firstUnread: key(firstUnread), firstMention: key(firstMention) }
    })
  }
  await db.outgoing
    .where('to')
    .equals(group)
    .modify((one) => {
      const { what } = one
      if ('from' in what) what.from = now(what.from)
      if (what.type === 'message' && what.reply) what.reply.from = now(what.reply.from)
    })
}

/** Whether a message has an address in it. */
export function names(message: Message, person: Address): boolean {
  const { from, reply, reactions, votes = {}, mentions = [] } = message
  return (
    from === person ||
    reply?.from === person ||
    Object.hasOwn(reactions, person) ||
    Object.hasOwn(votes, person) ||
    mentions.some(({ jid }) => jid === person)
  )
}

/** A message with other addresses of people in it. */
export function renamed(message: Message, now: (address: Address) => Address): Message {
  const { from, reply, reactions, votes, mentions } = message
  const by = <T>(all: Record<Address, T>): Record<Address, T> =>
    Object.fromEntries(Object.entries(all).map(([who, one]) => [now(who), one]))
  return {
    ...message,
    from: now(from),
    reactions: by(reactions),
    ...(reply && { reply: { ...reply, from: now(reply.from) } }),
    ...(votes && { votes: by(votes) }),
    ...(mentions && { mentions: mentions.map((one) => ({ ...one, jid: now(one.jid) })) })
  }
}

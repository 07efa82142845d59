/** The device's own storage: Dexie on IndexedDB. One database for one account; gone after log-out. */
import Dexie, { type EntityTable, type Table, type Transaction } from 'dexie'
import { entryOf, isWaiting } from './order'
import type { Address, Change, Chat, Contact, Message, Moment, Outgoing, Picture, Raw } from './types'

/** A single value: the credential, settings, how far the archive was read. */
interface Fact {
  name: string
  value: unknown
}

/** Version 4 tells others' messages with the same id apart by their entries in the archive, which are where they stand. */
async function entries(all: Transaction): Promise<void> {
  await all
    .table('messages')
    .filter(({ mine, archive, order }: Message) => !mine && !archive && entryOf(order) !== undefined)
    .modify((message: Message) => {
      message.archive = message.order
    })
}

/** Version 2 keeps what waits in rows of several, and knows when a timer was set and what was asked for again. */
async function grouped(all: Transaction): Promise<void> {
  const raw = all.table('raw')
  const before = (await raw.toArray()) as {
    id: string
    chat: Address
    mine: 0 | 1
    at: Moment
    stanza: string
  }[]
  await raw.clear()
  await raw.bulkPut(
    before.map(({ id, chat, mine, at, stanza }): Raw => {
      return { id: `${id} ${id}`, chat, mine, count: 1, entries: [{ id, at, stanza }] }
    })
  )
  await all
    .table('chats')
    .toCollection()
    .modify((chat: Chat) => {
      chat.timerOrder = isWaiting(chat.order) ? chat.readTo : chat.order
    })
  await all
    .table('messages')
    .filter(({ kind }: Message) => kind === 'unreadable')
    .modify({ asked: true })
  await all
    .table('outgoing')
    .filter(({ what }: { what: { type: string } }) => what.type === 'marker')
    .modify((row: { what: { of: string | string[] } }) => {
      row.what.of = [row.what.of].flat()
    })
}

export class Database extends Dexie {
  facts!: EntityTable<Fact, 'name'>
  chats!: EntityTable<Chat, 'address'>
  contacts!: EntityTable<Contact, 'address'>
  pictures!: EntityTable<Picture, 'hash'>
  messages!: EntityTable<Message, 'key'>
  changes!: EntityTable<Change, 'key'>
  /** Keys of messages that are not kept: `gone`: deleted here or expired; else without anything to show here. */
  seen!: Table<{ key: string; gone?: 1; archive?: string }, string>
  /** For the search: the words of a message. */
  words!: Table<{ key: string; chat: Address; words: string[] }, string>
  raw!: EntityTable<Raw, 'id'>
  outgoing!: EntityTable<Outgoing, 'seq'>
  /** Of `crypto/`: identity, sessions, prekeys, others' keys; the key is a path like `session/ADDRESS/DEVICE`. */
  keys!: Table<{ path: string; value: unknown }, string>

  constructor(name: string) {
    super(name)
    this.version(1).stores({
      facts: 'name',
      chats: 'address, at',
      contacts: 'address',
      pictures: 'hash',
      messages: 'key, [chat+at+order], id, starred, expires',
      changes: 'key, target, id',
      seen: 'key',
      words: 'key, chat, *words',
      raw: 'id, chat, mine',
      outgoing: '++seq, id, to, [to+seq]',
      keys: 'path'
    })
    this.version(2).stores({ raw: 'id, chat, [mine+count]' }).upgrade(grouped)
    this.version(3).stores({ messages: 'key, [chat+at+order], id, starred, expires, reply.id' })
    this.version(4).stores({}).upgrade(entries)
  }

  async fact<T>(name: string): Promise<T | undefined> {
    return (await this.facts.get(name))?.value as T | undefined
  }

  async setFact(name: string, value: unknown): Promise<void> {
    await this.facts.put({ name, value })
  }

  /** What a transaction needs that changes the history. */
  get historyTables(): Table[] {
    const { facts, chats, contacts, messages, changes, seen, words, raw, outgoing, keys } = this
    return [facts, chats, contacts, messages, changes, seen, words, raw, outgoing, keys]
  }
}

/** The local storage: Dexie on IndexedDB. One database for each account, deleted by log-out. */
import Dexie, { type EntityTable, type Table, type Transaction } from 'dexie'
import { entryOf, isWaiting } from './order'
import type { SmallPicture, StoredFile, Upload } from './file-types'
import type { Status, StatusTask } from './statuses'
import type {
  Address,
  Change,
  Chat,
  Contact,
  Group,
  Member,
  Message,
  Moment,
  Outgoing,
  Picture,
  Raw
} from './types'

/** A single value: the credential, a setting, how far the archive was read. */
interface Fact {
  name: string
  value: unknown
}

/** Version 4 distinguishes messages of others with the same id by their archive entries, which give their order. */
async function entries(all: Transaction): Promise<void> {
  await all
    .table('messages')
    .filter(({ mine, archive, order }: Message) => !mine && !archive && entryOf(order) !== undefined)
    .modify((message: Message) => {
      message.archive = message.order
    })
}

/** Version 2 stores several waiting stanzas in one row, and knows when a timer was set and what was requested again. */
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
  /** Keys of messages that are not stored: with `gone`, deleted here or expired; otherwise with nothing to show. */
  seen!: Table<{ key: string; gone?: 1; archive?: string }, string>
  /** For the search: the words of a message. */
  words!: Table<{ key: string; chat: Address; words: string[] }, string>
  raw!: EntityTable<Raw, 'id'>
  outgoing!: EntityTable<Outgoing, 'seq'>
  groups!: EntityTable<Group, 'address'>
  members!: EntityTable<Member, 'key'>
  files!: EntityTable<StoredFile, 'id'>
  blobs!: Table<{ id: string; data: Blob }, string>
  smalls!: EntityTable<SmallPicture, 'id'>
  uploads!: Table<Upload, [string, string]>
  statuses!: EntityTable<Status, 'key'>
  statusTasks!: EntityTable<StatusTask, 'seq'>
  /** For `crypto/`: identity, sessions, prekeys, keys of others. The key is a path such as `session/ADDRESS/DEVICE`. */
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
    this.version(5).stores({ changes: 'key, target, id, sent' })
    this.version(6).stores({ groups: 'address', members: 'key, group, jid' })
    this.version(7).stores({
      messages: 'key, [chat+at+order], id, starred, expires, reply.id, [chat+media.kind+at]',
      files: 'id, used',
      blobs: 'id',
      uploads: '[id+part], id'
    })
    this.version(8).stores({ smalls: 'id' })
    this.version(9).stores({ statuses: 'key, author, until', statusTasks: '++seq' })
  }

  async fact<T>(name: string): Promise<T | undefined> {
    return (await this.facts.get(name))?.value as T | undefined
  }

  async setFact(name: string, value: unknown): Promise<void> {
    await this.facts.put({ name, value })
  }

  /** The tables needed by a transaction that changes the history. */
  get historyTables(): Table[] {
    const { facts, chats, contacts, messages, changes, seen, words, raw, outgoing, keys } = this
    return [
      facts,
      chats,
      contacts,
      messages,
      changes,
      seen,
      words,
      raw,
      outgoing,
      keys,
      this.groups,
      this.members,
      this.files,
      this.uploads
    ]
  }
}

/**
 * A change of the history, in one transaction. What was read is cached, and writes go to the storage together at the
 * end, since an access to the storage costs more than anything else that is done with a message.
 */
import type { Database } from './database'
import { newChat } from './chat'
import { searchedIn, sweepFor } from './message-files'
import type { Address, Change, Chat, Message } from './types'
import { wordsOf } from './words'

/** `keepAlive` accesses the storage once in so many calls, which take a quarter of the turns that Dexie allows. */
const STEPS = 2

export class Work {
  private readonly messages = new Map<string, Message | undefined>()
  private readonly chats = new Map<Address, Chat>()
  private readonly changes = new Map<string, Change | undefined>()
  /** The messages whose changes are all cached. */
  private readonly changesOf = new Set<string>()
  private readonly seen = new Map<string, boolean>()
  /** The keys of messages that have new changes. */
  readonly changedTargets = new Set<string>()
  private dirtyMessages = new Set<string>()
  private dirtyChats = new Set<Address>()
  private dirtyChanges = new Set<string>()
  private dirtySeen = new Map<string, string>()
  private dirtyWords = new Set<string>()
  /** Messages whose files are perhaps not needed any more. */
  private lost: Message[] = []
  private steps = 0

  constructor(readonly db: Database) {}

  /** Runs `work` in its own transaction. */
  static run<T>(db: Database, work: (work: Work) => Promise<T>): Promise<T> {
    return db.transaction('rw', db.historyTables, async () => {
      const one = new Work(db)
      const result = await work(one)
      await one.flush()
      return result
    })
  }

  /** Notes that these messages and changes of them do not exist. */
  markAbsent(keys: Iterable<string>): void {
    for (const key of keys) {
      this.messages.set(key, undefined)
      this.seen.set(key, false)
      this.changesOf.add(key)
    }
  }

  /** Reads together what will be needed. */
  async fetch(all: string[]): Promise<void> {
    const keys = all.filter((key) => !this.messages.has(key))
    if (!keys.length) return
    const [messages, seen, changes] = await Promise.all([
      this.db.messages.bulkGet(keys),
      this.db.seen.bulkGet(keys),
      this.db.changes.where('target').anyOf(keys).toArray()
    ])
    for (const [at, key] of keys.entries()) {
      this.messages.set(key, messages[at])
      this.seen.set(key, seen[at] !== undefined)
      this.changesOf.add(key)
    }
    for (const change of changes) this.changes.set(change.key, change)
  }

  /**
   * Keeps the transaction open. A transaction ends if it did not access the storage for a while (Dexie counts a hundred
   * turns of promises), so this has to be called for each message, since everything about it may be cached.
   */
  async keepAlive(): Promise<void> {
    if (++this.steps % STEPS === 0) await this.db.facts.get('')
  }

  /** Writes the changes, and forgets what was read, since the storage is about to be changed in other ways. */
  async forget(): Promise<void> {
    await this.flush()
    for (const read of [this.messages, this.chats, this.changes, this.changesOf, this.seen]) read.clear()
  }

  async message(key: string): Promise<Message | undefined> {
    if (!this.messages.has(key)) this.messages.set(key, await this.db.messages.get(key))
    return this.messages.get(key)
  }

  setMessage(message: Message): void {
    const before = this.messages.get(message.key)
    if (before?.media && !message.media) this.lost.push(before)
    this.messages.set(message.key, message)
    this.dirtyMessages.add(message.key)
    if (before?.text !== message.text || before.kind !== message.kind) this.dirtyWords.add(message.key)
  }

  async chat(address: Address): Promise<Chat> {
    const known = this.chats.get(address) ?? (await this.db.chats.get(address)) ?? newChat(address)
    this.chats.set(address, known)
    return known
  }

  setChat(chat: Chat): void {
    this.chats.set(chat.address, chat)
    this.dirtyChats.add(chat.address)
  }

  async change(key: string, target: string): Promise<Change | undefined> {
    if (!this.changes.has(key) && !this.changesOf.has(target)) {
      this.changes.set(key, await this.db.changes.get(key))
    }
    return this.changes.get(key)
  }

  async allChanges(target: string): Promise<Change[]> {
    if (!this.changesOf.has(target)) {
      for (const change of await this.db.changes.where('target').equals(target).toArray()) {
        if (!this.dirtyChanges.has(change.key)) this.changes.set(change.key, change)
      }
      this.changesOf.add(target)
    }
    return [...this.changes.values()].filter((change) => change?.target === target) as Change[]
  }

  /** The key of the message that this id refers to, if it is another message. */
  async alias(key: string): Promise<string | undefined> {
    const name = `alias ${key}`
    if (!this.changes.has(name)) this.changes.set(name, await this.db.changes.get(name))
    return this.changes.get(name)?.target
  }

  setAlias(key: string, target: string): void {
    const [chat = '', ...rest] = key.split(' ')
    const named = rest.join(' ')
    // An id may contain any character; for messages of others it follows their address
    const id = named.startsWith(`${chat}/`) ? named.slice(chat.length + 1) : named
    const said = { from: '', order: '', encrypted: true }
    this.setChange({ key: `alias ${key}`, target, kind: 'alias', id, ...said })
  }

  /** Forgets a message completely, as if it had never been received. */
  dropMessage(key: string): void {
    this.messages.set(key, undefined)
    this.dirtyMessages.add(key)
    this.dirtyWords.add(key)
  }

  dropChange(key: string): void {
    this.changes.set(key, undefined)
    this.dirtyChanges.add(key)
  }

  setChange(change: Change): void {
    this.changedTargets.add(change.target)
    this.changes.set(change.key, change)
    this.dirtyChanges.add(change.key)
  }

  async isSeen(key: string): Promise<boolean> {
    if (!this.seen.has(key)) this.seen.set(key, (await this.db.seen.get(key)) !== undefined)
    return this.seen.get(key) ?? false
  }

  /** `archive`: the id of its entry there, if it is known. */
  setSeen(key: string, archive = ''): void {
    this.seen.set(key, true)
    this.dirtySeen.set(key, archive)
  }

  /** Deletes messages, and remembers that they existed. */
  async remove(keys: string[]): Promise<void> {
    await this.flush()
    const archived = new Map<string, string>()
    for (const one of await this.db.messages.bulkGet(keys)) {
      if (one?.archive !== undefined) archived.set(one.key, one.archive)
      // The others keep it, so it stays on the server
      if (one?.media) this.lost.push({ ...one, mine: false })
    }
    for (const key of keys) this.messages.set(key, undefined)
    this.changes.clear()
    this.changesOf.clear()
    await this.db.messages.bulkDelete(keys)
    await this.db.words.bulkDelete(keys)
    await this.db.changes.where('target').anyOf(keys).delete()
    await this.setGone(keys, archived)
    await this.sweep()
  }

  /**
   * Marks messages as deleted, so that they are not stored again. `archived`: the ids of their entries in the archive.
   */
  async setGone(keys: string[], archived = new Map<string, string>()): Promise<void> {
    for (const key of keys) this.seen.set(key, true)
    await this.db.seen.bulkPut(
      keys.map((key) => {
        const archive = archived.get(key)
        return { key, gone: 1 as const, ...(archive !== undefined && { archive }) }
      })
    )
  }

  /** Forgets that these had nothing to show, since they have now. */
  async setUnseen(keys: string[]): Promise<void> {
    for (const key of keys) this.seen.set(key, false)
    await this.db.seen.bulkDelete(keys)
  }

  /** Has files removed that no message has any more (`sync/sweep.ts`). */
  private async sweep(): Promise<void> {
    const rows = this.lost.flatMap(({ media, mine }) => (media ? sweepFor(media, mine) : []))
    this.lost = []
    for (const row of rows) {
      const before = await this.db.uploads.get([row.id, row.part])
      await this.db.uploads.put({ ...row, urls: [...(before?.urls ?? []), ...(row.urls ?? [])] })
    }
  }

  /** Writes the changes: at the end, and before the storage is searched. */
  async flush(): Promise<void> {
    const { db } = this
    if (this.lost.length) await this.sweep()
    const messages = [...this.dirtyMessages].map((key) => this.messages.get(key)).filter((one) => !!one)
    const words = [...this.dirtyWords].map((key) => {
      const message = this.messages.get(key)
      const found = message?.kind === 'text' ? wordsOf(searchedIn(message)) : []
      return { key, chat: message?.chat ?? '', words: found }
    })
    const chats = [...this.dirtyChats].map((address) => this.chats.get(address)).filter((one) => !!one)
    const changes = [...this.dirtyChanges].map((key) => this.changes.get(key)).filter((one) => !!one)
    const over = [...this.dirtyMessages].filter((key) => !this.messages.get(key))
    const unsaid = [...this.dirtyChanges].filter((key) => !this.changes.get(key))
    const seen = [...this.dirtySeen].map(([key, archive]) => ({ key, ...(archive && { archive }) }))
    this.dirtyMessages = new Set()
    this.dirtyWords = new Set()
    this.dirtyChats = new Set()
    this.dirtyChanges = new Set()
    this.dirtySeen = new Map()
    const none = words.filter((one) => !one.words.length).map((one) => one.key)
    await Promise.all([
      over.length && db.messages.bulkDelete(over),
      unsaid.length && db.changes.bulkDelete(unsaid),
      messages.length && db.messages.bulkPut(messages),
      none.length && db.words.bulkDelete(none),
      words.length > none.length && db.words.bulkPut(words.filter((one) => one.words.length)),
      chats.length && db.chats.bulkPut(chats),
      changes.length && db.changes.bulkPut(changes),
      seen.length && db.seen.bulkPut(seen)
    ])
  }
}

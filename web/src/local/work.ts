/**
 * A change of the history, in one transaction: what is read is kept at hand, and what is written goes to the storage at
 * once in the end. A round trip to the storage costs more than anything else that is done with a message.
 */
import type { Database } from './database'
import { newChat } from './chat'
import type { Address, Change, Chat, Message } from './types'
import { wordsOf } from './words'

/** So many steps take a quarter of the turns that are counted. */
const STEPS = 2

export class Work {
  private readonly messages = new Map<string, Message | undefined>()
  private readonly chats = new Map<Address, Chat>()
  private readonly changes = new Map<string, Change | undefined>()
  /** Of which messages all changes are at hand. */
  private readonly changesOf = new Set<string>()
  private readonly seen = new Map<string, boolean>()
  /** Keys of messages that something new is said of. */
  readonly saidOf = new Set<string>()
  private dirtyMessages = new Set<string>()
  private dirtyChats = new Set<Address>()
  private dirtyChanges = new Set<string>()
  private dirtySeen = new Map<string, string>()
  private dirtyWords = new Set<string>()
  private steps = 0

  constructor(readonly db: Database) {}

  /** Runs `work` in a transaction of its own. */
  static run<T>(db: Database, work: (work: Work) => Promise<T>): Promise<T> {
    return db.transaction('rw', db.historyTables, async () => {
      const one = new Work(db)
      const result = await work(one)
      await one.flush()
      return result
    })
  }

  /** These are known not to be here, and nothing was said about them. */
  missing(keys: Iterable<string>): void {
    for (const key of keys) {
      this.messages.set(key, undefined)
      this.seen.set(key, false)
      this.changesOf.add(key)
    }
  }

  /** Fetches at once what will be asked for. */
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
   * A transaction ends when nothing was asked of the storage for a while (Dexie counts a hundred turns of promises): to
   * be called for each message, since all that concerns it may be at hand.
   */
  async stay(): Promise<void> {
    if (++this.steps % STEPS === 0) await this.db.facts.get('')
  }

  async message(key: string): Promise<Message | undefined> {
    if (!this.messages.has(key)) this.messages.set(key, await this.db.messages.get(key))
    return this.messages.get(key)
  }

  setMessage(message: Message): void {
    const before = this.messages.get(message.key)
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

  /** The key of the message that is named by this one, if it is another. */
  async alias(key: string): Promise<string | undefined> {
    const name = `alias ${key}`
    if (!this.changes.has(name)) this.changes.set(name, await this.db.changes.get(name))
    return this.changes.get(name)?.target
  }

  setAlias(key: string, target: string): void {
    const [chat = '', ...rest] = key.split(' ')
    const named = rest.join(' ')
    // An id may have any sign in it; others' stand behind their address
    const id = named.startsWith(`${chat}/`) ? named.slice(chat.length + 1) : named
    const said = { from: '', order: '', encrypted: true }
    this.setChange({ key: `alias ${key}`, target, kind: 'alias', id, ...said })
  }

  /** Nothing of it is kept, as if it had never come. */
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
    this.saidOf.add(change.target)
    this.changes.set(change.key, change)
    this.dirtyChanges.add(change.key)
  }

  async isSeen(key: string): Promise<boolean> {
    if (!this.seen.has(key)) this.seen.set(key, (await this.db.seen.get(key)) !== undefined)
    return this.seen.get(key) ?? false
  }

  /** `archive`: its entry there, if that is known. */
  setSeen(key: string, archive = ''): void {
    this.seen.set(key, true)
    this.dirtySeen.set(key, archive)
  }

  /** Forgets messages, and remembers that they were here. */
  async remove(keys: string[]): Promise<void> {
    await this.flush()
    const archived = new Map<string, string>()
    for (const one of await this.db.messages.bulkGet(keys)) {
      if (one?.archive !== undefined) archived.set(one.key, one.archive)
    }
    for (const key of keys) this.messages.set(key, undefined)
    this.changes.clear()
    this.changesOf.clear()
    await this.db.messages.bulkDelete(keys)
    await this.db.words.bulkDelete(keys)
    await this.db.changes.where('target').anyOf(keys).delete()
    await this.setGone(keys, archived)
  }

  /** These are not to be here, from wherever they come. `archived`: their entries in the archive. */
  async setGone(keys: string[], archived = new Map<string, string>()): Promise<void> {
    for (const key of keys) this.seen.set(key, true)
    await this.db.seen.bulkPut(
      keys.map((key) => {
        const archive = archived.get(key)
        return { key, gone: 1 as const, ...(archive !== undefined && { archive }) }
      })
    )
  }

  /** Of these there was nothing to show here, but now there is. */
  async setUnseen(keys: string[]): Promise<void> {
    for (const key of keys) this.seen.set(key, false)
    await this.db.seen.bulkDelete(keys)
  }

  /** Writes what was changed: in the end, and before the storage is searched. */
  async flush(): Promise<void> {
    const { db } = this
    const messages = [...this.dirtyMessages].map((key) => this.messages.get(key)).filter((one) => !!one)
    const words = [...this.dirtyWords].map((key) => {
      const message = this.messages.get(key)
      const found = message?.kind === 'text' ? wordsOf(message.text) : []
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

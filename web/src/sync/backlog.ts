/**
 * Archived messages that wait to be decrypted (the table `raw`). A row holds several messages of one chat and one
 * direction, since the overhead of a row exceeds its content. Parsed messages are cached in memory, as far as there is
 * room.
 */
import type { Database } from '../local/database'
import type { Address, Raw } from '../local/types'
import { asNow } from '../xmpp/archived'
import { bare } from '../xmpp/jid'
import { attribute, parse, write } from '../xmpp/xml'
import type { Unhandled, Entry } from './unhandled'

/** A row of `raw`, parsed. */
export interface Waiting {
  id: string
  entries: Entry[]
}

/** The maximum number of messages of a row. */
const TOGETHER = 50
/** How many rows are fetched at once. */
const ROWS = 10
/** The maximum number of entries cached in memory. */
const MAX_CACHED = 20_000

export class Backlog {
  private readonly atHand = new Map<string, Entry[]>()

  /** `former`: see `Archive`. */
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly former: () => ReadonlySet<Address>,
    private readonly unhandled: Unhandled
  ) {}

  /** Adds messages. Those that follow each other in one chat and direction share rows. */
  async add(found: Entry[]): Promise<void> {
    await this.db.raw.bulkPut(this.rowsFor(found))
  }

  async isEmpty(): Promise<boolean> {
    return (await this.db.raw.count()) === 0
  }

  /** How many messages wait, and how many of them are from the user's other devices. */
  async count(): Promise<{ all: number; mine: number }> {
    const counts = (await this.db.raw.orderBy('[mine+count]').keys()) as unknown as [0 | 1, number][]
    const sum = (some: typeof counts) => some.reduce((before, [, count]) => before + count, 0)
    return { all: sum(counts), mine: sum(counts.filter(([mine]) => mine)) }
  }

  /** The ids of the rows of a chat, in order. */
  async ofChat(chat: Address): Promise<string[]> {
    return (await this.db.raw.where('chat').equals(chat).primaryKeys()).sort()
  }

  /** The ids of the rows of messages sent from the user's other devices, in order. */
  async ofMine(): Promise<string[]> {
    const rows = this.db.raw.where('[mine+count]').between([1, -Infinity], [1, Infinity])
    return (await rows.primaryKeys()).sort()
  }

  /** The chats with waiting messages, each with the id of its newest row. */
  async newest(): Promise<Map<Address, string>> {
    const chats = (await this.db.raw.orderBy('chat').uniqueKeys()) as Address[]
    const newest = new Map<Address, string>()
    for (const chat of chats) newest.set(chat, (await this.ofChat(chat)).at(-1) ?? '')
    return newest
  }

  /** Returns at least this many messages from the front of `ids`, in whole rows. */
  async take(ids: string[], most: number): Promise<Waiting[]> {
    const rows: Waiting[] = []
    let count = 0
    while (ids.length && count < most) {
      let taken = 0
      for (const row of await this.rows(ids.slice(0, ROWS))) {
        if (count >= most) break
        taken += 1
        if (row) rows.push(row)
        count += row?.entries.length ?? 0
      }
      ids.splice(0, taken)
    }
    return rows
  }

  /** Removes rows whose messages are stored. */
  forget(rows: Waiting[]): void {
    for (const { id } of rows) this.atHand.delete(id)
  }

  private async rows(ids: string[]): Promise<(Waiting | undefined)[]> {
    const unknown = ids.filter((id) => !this.atHand.has(id))
    for (const row of unknown.length ? await this.db.raw.bulkGet(unknown) : []) {
      const entries: Entry[] = []
      for (const { id, at, stanza } of row?.entries ?? []) {
        try {
          entries.push({ id, at, message: asNow(parse(stanza), this.me, this.former()) })
        } catch {
          await this.unhandled.count('no XML in the storage', stanza)
        }
      }
      if (row) this.atHand.set(row.id, entries)
    }
    return ids.map((id) => {
      const entries = this.atHand.get(id)
      return entries && { id, entries }
    })
  }

  private rowsFor(found: Entry[]): Raw[] {
    const groups = new Map<string, { chat: Address; mine: 0 | 1; parts: Entry[][] }>()
    for (const entry of found) {
      const { message } = entry
      const from = bare(attribute(message, 'from') || this.me)
      const mine = from === this.me ? 1 : 0
      const chat = mine ? bare(attribute(message, 'to') || this.me) : from
      const group = groups.get(`${mine} ${chat}`) ?? { chat, mine, parts: [[]] }
      groups.set(`${mine} ${chat}`, group)
      const last = group.parts.at(-1)
      if (last && last.length < TOGETHER) last.push(entry)
      else group.parts.push([entry])
    }
    let room = MAX_CACHED
    for (const { length } of this.atHand.values()) room -= length
    return [...groups.values()].flatMap(({ chat, mine, parts }) =>
      parts.map((part): Raw => {
        const id = `${part.at(-1)?.id ?? ''} ${part[0]?.id ?? ''}`
        if (room > 0) this.atHand.set(id, part)
        room -= part.length
        const entries = part.map(({ id, at, message }) => ({ id, at, stanza: write(message) }))
        return { id, chat, mine, count: part.length, entries }
      })
    )
  }
}

/**
 * Reads this device's history as records, page by page: first the newest messages of each chat, the newest chat first,
 * then the older ones. Each page ends at a place from which reading can continue, even after a restart.
 */
import { base64 } from '@scure/base'
import type { Database } from '../local/database'
import { LARGEST_PICTURE } from '../local/picture'
import type { Address, Change, Message, Moment } from '../local/types'
import { lineOf } from './record-reader'
import { changeRecord, chatRecord, contactRecord, messageRecord, whichOf } from './record-writer'
import type { HistoryRecord } from './records'

/** What a transfer or backup contains, determined when it starts. */
export interface Plan {
  /** When it started: messages that were received later are read in a final pass. */
  since: Moment
  /** The approximate number of messages. */
  total: number
  /** The newest chat first. `at`, `order`: where the first pass ends in this chat. */
  chats: { address: Address; at: Moment; order: string }[]
}

/**
 * Where to continue reading. `at`, `order`: the time and order of the last message that was read. `key`: the key of the
 * last deleted message that was read.
 */
export interface Place {
  pass: 'start' | 'first' | 'rest' | 'late' | 'gone'
  chat: number
  at?: number
  order?: string
  key?: string
  /** The number of messages read so far. */
  done: number
}

export interface Page {
  /** Records in JSON. */
  lines: string[]
  /** undefined: there is no further page. */
  next: Place | undefined
}

export const START: Place = { pass: 'start', chat: 0, done: 0 }

/** How many messages of each chat are read in the first pass. */
const FIRST = 40
/** The number of messages of one page, and of one access to the storage. */
const MAX_MESSAGES = 400
const BATCH = 100
const MAX_GONE = 200
/** How many chats without messages one page may skip. */
const MAX_EMPTY = 200

type Range = [low: [Address, number, string], high: [Address, number, string], lowOpen: boolean]

export async function planOf(db: Database, now: Moment): Promise<Plan> {
  const chats = (await db.chats.orderBy('at').reverse().toArray()).filter((chat) => chat.last || chat.draft)
  return {
    since: now,
    total: await db.messages.count(),
    chats: await Promise.all(
      chats.map(async ({ address }) => {
        const range: Range = [[address, -Infinity, ''], [address, now, '\uffff'], false]
        const edge = (await newest(db, range, FIRST)).at(-1)
        return { address, at: edge?.at ?? 0, order: edge?.order ?? '' }
      })
    )
  }
}

/** Whether a place fits the plan, since other devices return places. */
export function isPlace(value: unknown, plan: Plan): value is Place {
  const { pass, chat, at, order, key, done } = (value ?? {}) as Partial<Record<keyof Place, unknown>>
  return (
    ['start', 'first', 'rest', 'late', 'gone'].includes(pass as string) &&
    Number.isSafeInteger(chat) &&
    (chat as number) >= 0 &&
    (chat as number) <= Math.max(plan.chats.length, 1_000_000) &&
    (at === undefined || typeof at === 'number') &&
    (order === undefined || typeof order === 'string') &&
    (key === undefined || typeof key === 'string') &&
    Number.isSafeInteger(done)
  )
}

/** Reads the next page, with about `most` characters of records. */
export async function pageOf(
  db: Database,
  me: Address,
  plan: Plan,
  from: Place,
  most: number,
  now: Moment
): Promise<Page> {
  const page = new Collecting(db, me, plan, most, now)
  let place: Place | undefined = from
  for (let empty = 0; place && !page.full && empty < MAX_EMPTY;) {
    const before: number = page.lines.length
    place = await page.step(place)
    empty = page.lines.length === before ? empty + 1 : 0
  }
  return { lines: page.lines, next: place }
}

class Collecting {
  readonly lines: string[] = []
  private size = 0
  private messages = 0

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly plan: Plan,
    private readonly most: number,
    private readonly now: Moment
  ) {}

  get full(): boolean {
    return this.size >= this.most || this.messages >= MAX_MESSAGES
  }

  /** Reads a few records; returns the place after them. */
  async step(place: Place): Promise<Place | undefined> {
    const { plan } = this
    if (place.pass === 'start') {
      this.add({ type: 'account', v: 1, account: this.me, made: plan.since, total: plan.total })
      await this.about(this.me)
      return { pass: 'first', chat: 0, done: place.done }
    }
    if (place.pass === 'gone') return this.gone(place)
    const late = place.pass === 'late'
    const addresses = late ? await this.lateChats() : plan.chats.map(({ address }) => address)
    const address = addresses[place.chat]
    if (address === undefined) {
      const next = { first: 'rest', rest: 'late', late: 'gone' } as const
      return { pass: next[place.pass], chat: 0, done: place.done }
    }
    const fresh = place.at === undefined
    if (fresh && (place.pass === 'first' || (late && !plan.chats.some((one) => one.address === address)))) {
      await this.about(address)
      const chat = await this.db.chats.get(address)
      if (chat) this.add(chatRecord(chat))
    }
    return this.some(address, place)
  }

  /** Reads some messages of a chat, the newest first. */
  private async some(address: Address, place: Place): Promise<Place> {
    const found = await newest(this.db, this.rangeOf(address, place), BATCH)
    const said = new Map<string, Change[]>()
    for (const change of await this.changesOf(found)) {
      said.set(change.target, [...(said.get(change.target) ?? []), change])
    }
    let last: Message | undefined
    let done = place.done
    for (const message of found) {
      if (this.full) break
      this.message(message, said.get(message.key) ?? [])
      last = message
      done += 1
    }
    const over = found.length < BATCH && last === found.at(-1)
    if (over) return { pass: place.pass, chat: place.chat + 1, done }
    return last ? { ...place, at: last.at, order: last.order, done } : place
  }

  private rangeOf(address: Address, { pass, chat, at, order }: Place): Range {
    const edge = this.plan.chats[chat]
    const { since } = this.plan
    const first: [Address, number, string] = [address, edge?.at ?? 0, edge?.order ?? '']
    const here: [Address, number, string] | undefined =
      at === undefined ? undefined : [address, at, order ?? '']
    // The upper end of a range is exclusive, the lower end may be inclusive
    if (pass === 'first') return [first, here ?? [address, since, '\uffff'], false]
    if (pass === 'rest') return [[address, -Infinity, ''], here ?? first, false]
    return [[address, since, '\uffff'], here ?? [address, Infinity, '\uffff'], true]
  }

  /** The chats in a stable order, whatever is added: by address. */
  private async lateChats(): Promise<Address[]> {
    return (await this.db.chats.where('at').above(this.plan.since).primaryKeys()).sort()
  }

  private async gone(place: Place): Promise<Place | undefined> {
    const keys = await this.db.seen
      .where('key')
      .above(place.key ?? '')
      .filter((row) => row.gone !== undefined)
      .limit(MAX_GONE)
      .primaryKeys()
    if (keys.length) this.add({ type: 'gone', v: 1, keys })
    return keys.length < MAX_GONE ? undefined : { ...place, key: keys.at(-1) ?? '' }
  }

  private async about(address: Address): Promise<void> {
    const contact = await this.db.contacts.get(address)
    if (!contact) return
    this.add(contactRecord(contact))
    const picture = contact.picture ? await this.db.pictures.get(contact.picture) : undefined
    if (!picture || picture.data.size > LARGEST_PICTURE) return
    const data = base64.encode(new Uint8Array(await picture.data.arrayBuffer()))
    this.add({ type: 'picture', v: 1, hash: picture.hash, mime: picture.data.type, data })
  }

  private changesOf(messages: Message[]): Promise<Change[]> {
    return this.db.changes
      .where('target')
      .anyOf(messages.map(({ key }) => key))
      .toArray()
  }

  private message(message: Message, changes: Change[]): void {
    this.messages += 1
    const record = messageRecord(message, this.now)
    if (!record) return
    this.add(record)
    for (const change of changes) {
      const said = changeRecord(message, change)
      if (said) this.add(said)
    }
    if (message.starred) {
      const { chat, id, mine } = message
      this.add({ type: 'star', v: 1, chat, id, mine, ...whichOf(message) })
    }
  }

  /** Adds a record, unless the receiving device would refuse it. */
  private add(record: HistoryRecord): void {
    const json = JSON.stringify(record)
    if (lineOf(json, this.now).is !== 'record') return
    this.lines.push(json)
    this.size += json.length
  }
}

async function newest(db: Database, [low, high, lowOpen]: Range, limit: number): Promise<Message[]> {
  if (low[1] > high[1] || (low[1] === high[1] && low[2] > high[2])) return []
  return db.messages
    .where('[chat+at+order]')
    .between(low, high, !lowOpen, false)
    .reverse()
    .limit(limit)
    .toArray()
}

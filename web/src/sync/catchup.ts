/**
 * Reads from the archive (XEP-0313) what this device missed. Pages are fetched backwards from the newest, and kept as
 * they are until all are there, since keys move on in the order in which the messages were sent. Then they are decrypted
 * chat by chat, the newest chat first. What comes live meanwhile takes its place behind them. Where it stopped is on
 * disk, so it goes on after a lost connection or a closed page.
 */
import type { Database } from '../local/database'
import { toNow } from '../local/future'
import { UNPLACED } from '../local/changes'
import { timeOf } from '../local/order'
import { olderFact, READ_FROM, unreadBefore } from '../local/reading'
import type { Address, Moment, Raw } from '../local/types'
import type { Aside, Entry } from './aside'
import { Lost, Refused } from './errors'
import type { Incoming } from './incoming'
import { form } from './pubsub'
import { archiveTime, asNow, type Came, delayed, read } from './stanzas'
import type { Wire } from './wire'
import { attribute, bare, child, el, NS, parse, textOf, write, type Xml } from './xml'

/** Entries of the archive that are missing: behind `after`, before `before`. */
interface Gap {
  after: string
  before: string
  /** Behind this moment, in place of `after`. */
  since?: Moment
  /** Of a new device: how many of the newest are read at all. */
  most?: number
}

/** A row of `raw`, parsed. */
interface Waiting {
  id: string
  entries: Entry[]
}

interface Page {
  found: Entry[]
  complete: boolean
  first: string
}

const PAGE = 250
/** Messages that are stored together: many, since each transaction waits for the disk, but a share of all at most. */
const BATCH = 500
const LEAST_BATCH = 50
const SHARE = 1 / 10
/** Chats that are read beside each other. */
const AT_ONCE = 5
/** Messages that wait in one row. */
const TOGETHER = 50
/** Rows that are fetched at once. */
const ROWS = 10
const FIRST_TIME = 500
/** Pages that are looked through for what was said of messages by several devices of mine. */
const MOST_PLACED = 8
/** Of a device that was fooled about its place. */
const HEALED = 2000
/** So much before what was heard last is read again: what came live may have claimed a place that is a little too far. */
const OVERLAP_MS = 1_200_000
/** Keys of one session may be that far behind; beyond, what I sent myself is read before the chats. */
const MOST_SKIPPED = 1000
/** Entries that are kept in memory as well. */
const MOST_AT_HAND = 20_000
/** Less is done before somebody has read how far it is. */
const WORTH_TELLING = 100

export class CatchUp {
  private readonly pages = new Map<string, Page['found']>()
  /** Addresses that were mine. */
  former: ReadonlySet<Address> = new Set()
  /** What waits in `raw`, as it was parsed. */
  private readonly atHand = new Map<string, Entry[]>()
  private turn: Promise<unknown> = Promise.resolve()
  /** While something waits in `raw`, all goes through it. */
  private draining = true
  private running: Promise<void> | undefined
  private again = false
  private placing = false
  private placed: Promise<void> | undefined

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly wire: Wire,
    private readonly incoming: Incoming,
    private readonly aside: Aside,
    private readonly now: () => Moment,
    private readonly progress: (done: number | undefined) => void
  ) {}

  /** A result of a query has come. */
  result(result: Xml): void {
    const message = child(child(result, NS.forward, 'forwarded'), NS.client, 'message')
    const id = attribute(result, 'id')
    if (!message) return
    const at = archiveTime(id, delayed(child(result, NS.forward, 'forwarded')), this.now())
    const entry = { id, at, message: asNow(message, this.me, this.former) }
    this.pages.get(attribute(result, 'queryid'))?.push(entry)
  }

  /** A message that came live. Resolves when it is stored. */
  live(entry: Entry): Promise<void> {
    return this.inTurn(async () => {
      if (!this.draining || !entry.id) {
        await this.one(entry)
        return
      }
      await this.db.transaction('rw', this.db.raw, this.db.facts, async () => {
        await this.db.raw.bulkPut(this.rawOf([entry]))
        await this.advance(entry.id)
      })
    })
  }

  /** Does something with the history while nothing that comes is put there. */
  meanwhile<T>(work: () => Promise<T>): Promise<T> {
    return this.inTurn(work)
  }

  /**
   * A new session has begun; `newest`: what the archive ended with then. By that alone this device moves its place; what
   * came live (`archive.heard`) only spares it to read all of that once more.
   */
  async begin(newest: string): Promise<void> {
    let fooled = false
    await this.db.transaction('rw', this.db.facts, async () => {
      const last = await this.db.fact<string>('archive.last')
      const heard = (await this.db.fact<string>('archive.heard')) ?? ''
      const gaps = (await this.db.fact<Gap[]>('archive.gaps')) ?? []
      fooled = last !== undefined && last > newest
      if (last === undefined) {
        await this.db.setFact('since', this.now())
        if (newest) gaps.push({ after: '', before: '', most: FIRST_TIME })
      } else if (fooled) {
        // What an earlier version believed: no archive has said that
        if (newest) gaps.push({ after: '', before: '', most: HEALED })
      } else if (newest > last && newest !== heard) {
        const since = heard > last && heard < newest ? timeOf(heard) - OVERLAP_MS : 0
        gaps.push(last && since <= timeOf(last) ? { after: last, before: '' } : missing(last, since))
      }
      await this.db.setFact('archive.gaps', gaps)
      await this.db.setFact('archive.last', newest)
      await this.db.setFact('archive.heard', '')
    })
    if (fooled) await toNow(this.db, this.now())
  }

  /** Reads all that is missing. Rejects if the connection goes before; what was read is kept. */
  run(): Promise<void> {
    this.again = true
    this.running ??= (async () => {
      try {
        while (this.again) {
          this.again = false
          this.draining = true
          await this.download()
          await this.drain()
        }
      } finally {
        this.running = undefined
        this.progress(undefined)
      }
    })()
    return this.running
  }

  /**
   * Asks the archive in which order my devices have said what they did of a message. It may be asked again at any time, and
   * goes on with the next connection.
   */
  async places(): Promise<void> {
    this.placing = true
    this.placed ??= (async () => {
      try {
        while (this.placing && this.wire.online) {
          this.placing = false
          const rows = await this.db.facts.where('name').startsWith(UNPLACED).toArray()
          for (const { name, value } of rows) await this.placesOf(name, value as Moment)
        }
      } finally {
        this.placed = undefined
      }
    })()
    await this.placed
  }

  private async placesOf(name: string, since: Moment): Promise<void> {
    const chat = name.slice(UNPLACED.length)
    let before = ''
    const found: Entry[] = []
    for (let pages = 0; pages < MOST_PLACED; pages++) {
      const page = await this.query(chat, '', before, PAGE, new Date(since))
      found.unshift(...page.found)
      if (page.complete || !page.first) break
      before = page.first
    }
    await this.inTurn(async () => {
      for (let at = 0; at < found.length; at += BATCH) await this.take(found.slice(at, at + BATCH), [])
    })
    await this.db.transaction('rw', this.db.facts, async () => {
      if ((await this.db.fact<Moment>(name)) === since) await this.db.facts.delete(name)
      else this.placing = true // more was said meanwhile
    })
  }

  /** Older messages of a chat. False: there are no more. */
  async older(chat: Address): Promise<boolean> {
    const name = olderFact(chat)
    for (let pages = 0; pages < 4; pages++) {
      const edge = await unreadBefore(this.db, chat)
      if (edge === undefined) return false
      const before = 'entry' in edge ? edge.entry : ''
      const clearedTo = (await this.db.chats.get(chat))?.clearedTo ?? ''
      if (before && before <= clearedTo) return false
      const end = 'time' in edge && Number.isFinite(edge.time) ? new Date(edge.time) : undefined
      const page = await this.query(chat, '', before, 50, undefined, end)
      const shown = await this.db.messages.where('key').startsWith(`${chat} `).count()
      await this.inTurn(async () => {
        for (let at = 0; at < page.found.length; at += BATCH) {
          await this.take(page.found.slice(at, at + BATCH), [])
        }
      })
      await this.db.setFact(name, page.complete || !page.first ? 'all' : page.first)
      if ((await this.db.messages.where('key').startsWith(`${chat} `).count()) > shown) return true
    }
    return true
  }

  private async download(): Promise<void> {
    for (;;) {
      const gap = ((await this.db.fact<Gap[]>('archive.gaps')) ?? []).at(-1)
      if (!gap) return
      const total = await this.count(gap)
      const tell = (done: number) => {
        if (total > WORTH_TELLING) this.progress(Math.min(0.3, (0.3 * done) / total))
      }
      let done = (await this.waiting()).all
      let open: Gap | undefined = gap
      let coming = this.pageOf(gap)
      while (open) {
        const page = await coming
        done += page.found.length
        const most: number | undefined = open.most === undefined ? undefined : open.most - page.found.length
        const finished: boolean = page.complete || !page.first || (most !== undefined && most <= 0)
        const rest: Gap | undefined = finished
          ? undefined
          : { ...open, before: page.first, ...(most !== undefined && { most }) }
        // The server is asked for the next while this one is stored
        if (rest) {
          coming = this.pageOf(rest)
          coming.catch(() => undefined)
        }
        await this.db.transaction('rw', this.db.raw, this.db.facts, async () => {
          await this.db.raw.bulkPut(this.rawOf(page.found))
          const gaps = (await this.db.fact<Gap[]>('archive.gaps')) ?? []
          const others = gaps.filter((one) => one.after !== gap.after || one.since !== gap.since)
          await this.db.setFact('archive.gaps', rest ? [...others, rest] : others)
          if (!rest && gap.most !== undefined) await this.readFrom(page.complete ? '' : page.first)
        })
        open = rest
        tell(done)
      }
    }
  }

  /** The newest of a device that knew nothing, or nothing for sure, were read down to there. */
  private async readFrom(entry: string): Promise<void> {
    await this.db.setFact(READ_FROM, entry)
    await this.db.facts.where('name').startsWith(olderFact('')).delete()
  }

  private async drain(): Promise<void> {
    const { all: total, mine } = await this.waiting()
    const batch = Math.min(BATCH, Math.max(LEAST_BATCH, Math.ceil(total * SHARE)))
    let done = 0
    const take = async (rows: Waiting[]) => {
      done += await this.takeRaw(rows)
      if (total > WORTH_TELLING) this.progress(Math.min(1, 0.3 + (0.7 * done) / Math.max(total, done)))
    }
    if (mine > MOST_SKIPPED) {
      const rows = this.db.raw.where('[mine+count]').between([1, -Infinity], [1, Infinity])
      const keys = (await rows.primaryKeys()).sort()
      while (keys.length) await this.inTurn(async () => take(await this.next(keys, batch)))
    }
    let heads = await this.heads()
    for (;;) {
      const chats = [...heads].sort(([, one], [, other]) => (one < other ? 1 : -1)).slice(0, AT_ONCE)
      if (!chats.length) {
        const empty = await this.inTurn(async () => {
          this.draining = (await this.db.raw.count()) > 0
          return !this.draining
        })
        if (empty) return
        heads = await this.heads()
        continue
      }
      const waiting = await Promise.all(chats.map(([chat]) => this.keysOf(chat)))
      for (const [chat] of chats) heads.delete(chat)
      while (waiting.some((keys) => keys.length)) {
        const each = Math.ceil(batch / waiting.filter((keys) => keys.length).length)
        await this.inTurn(async () => {
          const rows = await Promise.all(waiting.map((keys) => this.next(keys, each)))
          await take(rows.flat())
        })
      }
    }
  }

  /** Which chats have something that waits, with the newest of it. */
  private async heads(): Promise<Map<Address, string>> {
    const chats = (await this.db.raw.orderBy('chat').uniqueKeys()) as Address[]
    const heads = new Map<Address, string>()
    for (const chat of chats) heads.set(chat, (await this.keysOf(chat)).at(-1) ?? '')
    return heads
  }

  private async keysOf(chat: Address): Promise<string[]> {
    return (await this.db.raw.where('chat').equals(chat).primaryKeys()).sort()
  }

  /** How many messages wait, and how many of them are mine. */
  private async waiting(): Promise<{ all: number; mine: number }> {
    const counts = (await this.db.raw.orderBy('[mine+count]').keys()) as unknown as [0 | 1, number][]
    const sum = (some: typeof counts) => some.reduce((before, [, count]) => before + count, 0)
    return { all: sum(counts), mine: sum(counts.filter(([mine]) => mine)) }
  }

  /** Takes about so many messages from the front, in whole rows. */
  private async next(keys: string[], most: number): Promise<Waiting[]> {
    const rows: Waiting[] = []
    let count = 0
    while (keys.length && count < most) {
      let taken = 0
      for (const row of await this.rows(keys.slice(0, ROWS))) {
        if (count >= most) break
        taken += 1
        if (row) rows.push(row)
        count += row?.entries.length ?? 0
      }
      keys.splice(0, taken)
    }
    return rows
  }

  /** Those that were read since the start are at hand. */
  private async rows(keys: string[]): Promise<(Waiting | undefined)[]> {
    const unknown = keys.filter((id) => !this.atHand.has(id))
    for (const row of unknown.length ? await this.db.raw.bulkGet(unknown) : []) {
      const entries: Entry[] = []
      for (const { id, at, stanza } of row?.entries ?? []) {
        try {
          entries.push({ id, at, message: asNow(parse(stanza), this.me, this.former) })
        } catch {
          await this.aside.count('no XML in the storage', stanza)
        }
      }
      if (row) this.atHand.set(row.id, entries)
    }
    return keys.map((id) => {
      const entries = this.atHand.get(id)
      return entries && { id, entries }
    })
  }

  /** How many messages that were. */
  private async takeRaw(rows: Waiting[]): Promise<number> {
    const entries = rows.flatMap((row) => row.entries).sort(byId)
    await this.take(
      entries,
      rows.map(({ id }) => id)
    )
    for (const { id } of rows) this.atHand.delete(id)
    return entries.length
  }

  /** What could not be handled before is tried once more, as it is at each start. */
  retry(): Promise<void> {
    return this.inTurn(() => this.aside.again((entry) => this.incoming.take(this.cameOf(entry))))
  }

  /** Takes messages in; if one of them can't be, the others all the same. `raw`: the rows that they waited in. */
  private async take(entries: Entry[], raw: string[]): Promise<void> {
    try {
      await this.incoming.take(
        entries.flatMap((one) => this.cameOf(one)),
        raw
      )
    } catch {
      for (const one of entries) await this.one(one)
      await this.db.raw.bulkDelete(raw)
    }
  }

  /** Rejects if nothing can be stored, whatever is in the message. */
  private async one(entry: Entry): Promise<void> {
    for (const last of [false, true]) {
      try {
        await this.incoming.take(this.cameOf(entry))
        return
      } catch (error) {
        if (last) await this.aside.put(entry, error)
      }
    }
  }

  private cameOf({ id, at, message }: Entry): Came[] {
    const came = read(message, this.me, id, at)
    return came ? [came] : []
  }

  /** As it waits: what follows each other in one chat, of one side, together. */
  private rawOf(found: Entry[]): Raw[] {
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
    let room = MOST_AT_HAND
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

  private async pageOf(gap: Gap): Promise<Page> {
    try {
      if (gap.since !== undefined) {
        return await this.query('', '', gap.before, PAGE, new Date(gap.since))
      }
      return await this.query('', gap.after, gap.before, PAGE)
    } catch (error) {
      if (!(error instanceof Refused) || error.condition !== 'item-not-found') throw error
      // What we had last has expired from the archive: by time, then
      const end = gap.before ? new Date(timeOf(gap.before)) : undefined
      return await this.query('', '', '', PAGE, new Date(timeOf(gap.after || gap.before) - 1000), end)
    }
  }

  private async count({ after, before, since }: Gap): Promise<number> {
    try {
      const start = since === undefined ? undefined : new Date(since)
      const fin = await this.ask(crypto.randomUUID(), '', after, before, 0, start)
      return Number(textOf(child(child(fin, NS.rsm, 'set'), NS.rsm, 'count'))) || 0
    } catch (error) {
      if (error instanceof Refused) return 0
      throw error
    }
  }

  private async query(
    chat: Address,
    after: string,
    before: string,
    max: number,
    start?: Date,
    end?: Date
  ): Promise<Page> {
    if (!this.wire.online) throw new Lost()
    const id = crypto.randomUUID()
    const found: Page['found'] = []
    this.pages.set(id, found)
    try {
      const fin = await this.ask(id, chat, after, before, max, start, end)
      return {
        found,
        complete: attribute(fin, 'complete') === 'true',
        first: found[0]?.id ?? ''
      }
    } finally {
      this.pages.delete(id)
    }
  }

  private async ask(
    id: string,
    chat: Address,
    after: string,
    before: string,
    max: number,
    start?: Date,
    end?: Date
  ): Promise<Xml | undefined> {
    const fields = {
      ...(chat && { with: chat }),
      ...(after && { 'after-id': after }),
      ...(start && { start: start.toISOString() }),
      ...(end && { end: end.toISOString() })
    }
    const query = el(
      'query',
      { xmlns: NS.mam, queryid: id },
      form(NS.mam, fields),
      el('set', { xmlns: NS.rsm }, el('max', {}, String(max)), el('before', {}, before))
    )
    const answer = await this.wire.request('set', '', query, 60_000)
    return child(answer, NS.mam, 'fin')
  }

  private async advance(id: string): Promise<void> {
    if (id > ((await this.db.fact<string>('archive.heard')) ?? '')) await this.db.setFact('archive.heard', id)
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.turn.then(work)
    this.turn = done.catch(() => undefined)
    return done
  }
}

function missing(last: string, since: Moment): Gap {
  return since > 0 ? { after: '', before: '', since } : { after: last, before: '' }
}

function byId(one: Entry, other: Entry): number {
  return one.id < other.id ? -1 : one.id > other.id ? 1 : 0
}

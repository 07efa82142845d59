/**
 * Reads from the archive (XEP-0313) what this device missed. Pages are fetched backwards from the newest and stored
 * undecrypted until all are there, since ratchets advance in the order of sending. Then they are decrypted chat by
 * chat, the newest chat first; live messages queue behind them. The state is on disk, so reading continues after a lost
 * connection or a closed page.
 */
import type { Database } from '../local/database'
import { olderFact, unreadBefore } from '../local/reading'
import type { Address, Moment } from '../local/types'
import { type ReceivedMessage, read } from '../xmpp/received'
import type { Wire } from '../xmpp/wire'
import type { Xml } from '../xmpp/xml'
import { Archive } from './archive'
import type { Unhandled, Entry } from './unhandled'
import { Backlog, type Waiting } from './backlog'
import { Contested } from './contested'
import { type Gap, heard, nextGap, noteMissing, shrink } from './gaps'
import type { Incoming } from './incoming'

/** The number of messages stored in one transaction: many, since each waits for the disk, but only a share of all. */
const BATCH = 500
const MIN_BATCH = 50
const SHARE = 1 / 10
/** How many chats are decrypted in parallel. */
const PARALLEL = 5
/** How many entries of a chat are read at once while scrolling back, and how often until something can be shown. */
const OLDER_PAGE = 50
const OLDER_PAGES = 4
/**
 * How many keys a session can skip. Beyond that, messages from the user's own devices are decrypted before the chats.
 */
const MAX_SKIPPED = 1000
/** Below this number of messages, no progress is shown. */
const WORTH_TELLING = 100
/** The share of the progress that is for fetching; the rest is for decrypting. */
const FETCHING = 0.3

export class CatchUp {
  readonly archive: Archive
  private readonly backlog: Backlog
  private readonly contested: Contested
  private turn: Promise<unknown> = Promise.resolve()
  /** While the backlog is not empty, live messages go through it as well. */
  private draining = true
  private running: Promise<void> | undefined
  private again = false

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    wire: Wire,
    private readonly incoming: Incoming,
    private readonly unhandled: Unhandled,
    private readonly now: () => Moment,
    private readonly progress: (done: number | undefined) => void
  ) {
    this.archive = new Archive(me, wire, now)
    this.backlog = new Backlog(db, me, () => this.archive.former, unhandled)
    this.contested = new Contested(db, wire, this.archive, (entries) => this.takeInBatches(entries))
  }

  /** Takes a result of a running query. */
  result(result: Xml): void {
    this.archive.result(result)
  }

  /** Handles a live message. Resolves when it is stored. */
  live(entry: Entry): Promise<void> {
    return this.inTurn(async () => {
      if (!this.draining || !entry.id) {
        await this.one(entry)
        return
      }
      await this.db.transaction('rw', this.db.raw, this.db.facts, async () => {
        await this.backlog.add([entry])
        await heard(this.db, entry.id)
      })
    })
  }

  /** Runs `work` on the history while no received message is stored. */
  meanwhile<T>(work: () => Promise<T>): Promise<T> {
    return this.inTurn(work)
  }

  /** Starts a new session. `newest`: the id of the newest archive entry at that time. */
  begin(newest: string): Promise<void> {
    return noteMissing(this.db, newest, this.now())
  }

  /** Reads everything that is missing. Rejects if the connection is lost; what was read is kept. */
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

  /** Asks the archive in which order the user's devices have changed messages. */
  settleContested(): Promise<void> {
    return this.contested.settle()
  }

  /** Fetches older messages of a chat. False: there are no more. */
  async older(chat: Address): Promise<boolean> {
    const shown = () => this.db.messages.where('key').startsWith(`${chat} `).count()
    for (let pages = 0; pages < OLDER_PAGES; pages++) {
      const edge = await unreadBefore(this.db, chat)
      if (edge === undefined) return false
      const before = 'entry' in edge ? edge.entry : ''
      const clearedTo = (await this.db.chats.get(chat))?.clearedTo ?? ''
      if (before && before <= clearedTo) return false
      const end = 'time' in edge && Number.isFinite(edge.time) ? { end: new Date(edge.time) } : {}
      const page = await this.archive.page({ chat, before, ...end }, OLDER_PAGE)
      const count = await shown()
      await this.takeInBatches(page.found)
      await this.db.setFact(olderFact(chat), page.complete || !page.first ? 'all' : page.first)
      if ((await shown()) > count) return true
    }
    return true
  }

  /** Tries messages again that could not be handled before. */
  retry(): Promise<void> {
    return this.inTurn(() => this.unhandled.again((entry) => this.incoming.take(this.parsed(entry))))
  }

  private async download(): Promise<void> {
    for (;;) {
      const gap = await nextGap(this.db)
      if (!gap) return
      const total = await this.archive.count(gap)
      const tell = (done: number) => {
        if (total > WORTH_TELLING) this.progress(Math.min(FETCHING, (FETCHING * done) / total))
      }
      let done = (await this.backlog.count()).all
      let open: Gap | undefined = gap
      let coming = this.archive.pageOf(gap)
      while (open) {
        const page = await coming
        done += page.found.length
        const most: number | undefined = open.most === undefined ? undefined : open.most - page.found.length
        const finished: boolean = page.complete || !page.first || (most !== undefined && most <= 0)
        const rest: Gap | undefined = finished
          ? undefined
          : { ...open, before: page.first, ...(most !== undefined && { most }) }
        // The next page is requested while this one is stored
        if (rest) {
          coming = this.archive.pageOf(rest)
          coming.catch(() => undefined)
        }
        await this.db.transaction('rw', this.db.raw, this.db.facts, async () => {
          await this.backlog.add(page.found)
          await shrink(this.db, gap, rest, page.complete ? '' : page.first)
        })
        open = rest
        tell(done)
      }
    }
  }

  private async drain(): Promise<void> {
    const { all: total, mine } = await this.backlog.count()
    const batch = Math.min(BATCH, Math.max(MIN_BATCH, Math.ceil(total * SHARE)))
    let done = 0
    const take = async (rows: Waiting[]) => {
      done += await this.takeWaiting(rows)
      const share = (1 - FETCHING) * (done / Math.max(total, done))
      if (total > WORTH_TELLING) this.progress(Math.min(1, FETCHING + share))
    }
    if (mine > MAX_SKIPPED) {
      const ids = await this.backlog.ofMine()
      while (ids.length) await this.inTurn(async () => take(await this.backlog.take(ids, batch)))
    }
    let newest = await this.backlog.newest()
    for (;;) {
      const chats = [...newest].sort(([, one], [, other]) => (one < other ? 1 : -1)).slice(0, PARALLEL)
      if (!chats.length) {
        const empty = await this.inTurn(async () => {
          this.draining = !(await this.backlog.isEmpty())
          return !this.draining
        })
        if (empty) return
        newest = await this.backlog.newest()
        continue
      }
      const waiting = await Promise.all(chats.map(([chat]) => this.backlog.ofChat(chat)))
      for (const [chat] of chats) newest.delete(chat)
      while (waiting.some((ids) => ids.length)) {
        const each = Math.ceil(batch / waiting.filter((ids) => ids.length).length)
        await this.inTurn(async () => {
          const rows = await Promise.all(waiting.map((ids) => this.backlog.take(ids, each)))
          await take(rows.flat())
        })
      }
    }
  }

  /** Returns the number of messages. */
  private async takeWaiting(rows: Waiting[]): Promise<number> {
    const entries = rows.flatMap((row) => row.entries).sort(byId)
    await this.take(
      entries,
      rows.map(({ id }) => id)
    )
    this.backlog.forget(rows)
    return entries.length
  }

  private takeInBatches(entries: Entry[]): Promise<void> {
    return this.inTurn(async () => {
      for (let at = 0; at < entries.length; at += BATCH) await this.take(entries.slice(at, at + BATCH))
    })
  }

  /**
   * Stores messages. If one of them can't be handled, the others are stored all the same. `raw`: the rows that they
   * waited in.
   */
  private async take(entries: Entry[], raw: string[] = []): Promise<void> {
    try {
      await this.incoming.take(
        entries.flatMap((one) => this.parsed(one)),
        raw
      )
    } catch {
      for (const one of entries) await this.one(one)
      await this.db.raw.bulkDelete(raw)
    }
  }

  /** Rejects only if nothing can be stored, not because of the message. */
  private async one(entry: Entry): Promise<void> {
    for (const last of [false, true]) {
      try {
        await this.incoming.take(this.parsed(entry))
        return
      } catch (error) {
        if (last) await this.unhandled.put(entry, error)
      }
    }
  }

  private parsed({ id, at, message }: Entry): ReceivedMessage[] {
    const incoming = read(message, this.me, id, at)
    return incoming ? [incoming] : []
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.turn.then(work)
    this.turn = done.catch(() => undefined)
    return done
  }
}

function byId(one: Entry, other: Entry): number {
  return one.id < other.id ? -1 : one.id > other.id ? 1 : 0
}

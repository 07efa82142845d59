/**
 * Deletes disappearing messages when their time is over by the server's clock, including those that expired while the
 * app was closed.
 */
import type { Database } from '../local/database'
import { forget } from '../local/deletion'
import { isWaiting } from '../local/order'
import type { Moment } from '../local/types'
import { Work } from '../local/work'

const LONGEST_MS = 3_600_000
const SHORTEST_MS = 200
/** Milliseconds between checks while something waits to be sent, whose time may begin at any moment. */
const WAITING_MS = 1000
/** Milliseconds from a new message to the next check, since many may arrive at once. */
const CHANGED_MS = 500

export class Expiry {
  private timer: ReturnType<typeof setTimeout> | undefined
  private stopped = false
  /** Whether a check is due within a moment. */
  private soon = false

  constructor(
    private readonly db: Database,
    /** The time up to which messages have expired; -Infinity: it is not known yet. */
    private readonly expiryTime: () => Moment
  ) {}

  /** Deletes what has expired, and schedules the next check. */
  async run(): Promise<void> {
    clearTimeout(this.timer)
    this.soon = false
    if (this.stopped) return
    if (await this.over().count()) {
      await Work.run(this.db, async (work) => {
        await forget(work, await this.over().primaryKeys())
      })
    }
    const next = await this.db.messages
      .orderBy('expires')
      .filter((message) => !isWaiting(message.order))
      .first()
    const waits = (await this.db.outgoing.count()) > 0
    if (this.stopped || this.soon || (next?.expires === undefined && !waits)) return
    const until = (next?.expires ?? Infinity) - this.expiryTime()
    this.again(Math.min(waits ? WAITING_MS : LONGEST_MS, Math.max(SHORTEST_MS, until)))
  }

  /** A message was stored that may expire. */
  changed(): void {
    if (this.soon || this.stopped) return
    this.soon = true
    this.again(CHANGED_MS)
  }

  private again(wait: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.run().catch(() => undefined), wait)
  }

  /** Restarts the time of waiting messages, which begins when they are sent. */
  private over() {
    return this.db.messages
      .where('expires')
      .belowOrEqual(this.expiryTime())
      .filter((message) => !isWaiting(message.order))
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
  }
}

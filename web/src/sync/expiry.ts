/** Disappearing messages go when their time is over, also if that was while the app was closed. */
import type { Database } from '../local/database'
import { forget } from '../local/history'
import type { Moment } from '../local/types'
import { Work } from '../local/work'

const LONGEST_MS = 3_600_000

export class Expiry {
  private timer: ReturnType<typeof setTimeout> | undefined
  private stopped = false

  constructor(
    private readonly db: Database,
    private readonly now: () => Moment
  ) {}

  /** Removes what is over, and comes back when the next is. */
  async run(): Promise<void> {
    clearTimeout(this.timer)
    if (this.stopped) return
    await Work.run(this.db, async (work) => {
      const over = await this.db.messages.where('expires').belowOrEqual(this.now()).primaryKeys()
      if (over.length) await forget(work, over)
    })
    const next = await this.db.messages.orderBy('expires').first()
    if (this.stopped || next?.expires === undefined) return
    const wait = Math.min(LONGEST_MS, Math.max(200, next.expires - this.now()))
    this.timer = setTimeout(() => this.run().catch(() => undefined), wait)
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
  }
}

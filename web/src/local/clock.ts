/**
 * The server's clock, as far as this device knows it. Everything with a time uses it, so that it happens at the same
 * moment on all devices. A clock of the device that is wrong, or that somebody changes, makes nothing disappear early.
 * All times are in milliseconds.
 */
import { liveQuery } from 'dexie'
import type { Database } from './database'
import type { Moment } from './types'

const FACT = 'clock.ahead'
/**
 * How much the device's clock may differ from the server's and still count as right, since an answer takes some time.
 */
const NEAR_MS = 2000

export class ServerClock {
  /** How far the server's clock is ahead of the device's. */
  private ahead = 0
  /** The last time that the server has told this page, and a monotonic time of that moment. */
  private told: { server: Moment; steady: number } | undefined
  private known = false

  constructor(
    private readonly wall: () => Moment,
    private readonly steady: () => number = () => performance.now()
  ) {}

  /** Loads the last known offset, and follows updates of other tabs. Resolves when the offset is loaded. */
  follow(db: Database): Promise<void> {
    return new Promise((loaded) => {
      liveQuery(() => db.fact<number>(FACT)).subscribe({
        next: (ahead) => {
          this.ahead = ahead ?? 0
          loaded()
        },
        error: () => loaded() // the storage was closed, for example by a log-out
      })
    })
  }

  /** The time for dating messages. */
  now(): Moment {
    return this.wall() + this.ahead
  }

  /**
   * The time by which expired things may be deleted for good: the earlier of two clocks, since somebody may have
   * changed the device's clock, and the other may stop while the device sleeps. Until the server has told its time,
   * nothing is expired.
   */
  expiryTime(): Moment {
    if (!this.known) return -Infinity
    const { told } = this
    return told ? Math.min(this.now(), told.server + this.steady() - told.steady) : this.now()
  }

  /** The server tells its time; NaN: it can't. */
  async set(db: Database, server: Moment): Promise<void> {
    if (Number.isFinite(server)) {
      const difference = server - this.wall()
      const ahead = Math.abs(difference) > NEAR_MS ? difference : 0
      this.ahead = ahead
      this.told = { server: this.now(), steady: this.steady() }
      // Not `this.ahead`: while the storage is read, the subscription may still bring the previous value
      if (((await db.fact<number>(FACT)) ?? 0) !== ahead) await db.setFact(FACT, ahead)
    }
    this.known = true
  }

  /** The server can't be asked, so the last known time is used. */
  useLastOffset(): void {
    this.known = true
  }
}

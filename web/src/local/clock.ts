/**
 * The server's clock, as far as this device knows it: what has its time goes by it, on all devices at the same moment.
 * A clock of the device that is wrong, or that somebody sets, makes nothing go early. All times in milliseconds.
 */
import { liveQuery } from 'dexie'
import type { Database } from './database'
import type { Moment } from './types'

const FACT = 'clock.ahead'
/** So far may the device's clock be from the server's, and still be taken as right: an answer takes some time as well. */
const NEAR_MS = 2000

export class ServerClock {
  /** The server's clock is so far ahead of the device's. */
  private ahead = 0
  /** What the server has last told this page, and a clock then that nobody sets. */
  private told: { server: Moment; steady: number } | undefined
  private known = false

  constructor(
    private readonly wall: () => Moment,
    private readonly steady: () => number = () => performance.now()
  ) {}

  /** Loads the last known offset, and follows what other tabs learn. Resolves when the offset is loaded. */
  follow(db: Database): Promise<void> {
    return new Promise((loaded) => {
      liveQuery(() => db.fact<number>(FACT)).subscribe({
        next: (ahead) => {
          this.ahead = ahead ?? 0
          loaded()
        },
        error: () => loaded() // the storage was closed, as after a log-out
      })
    })
  }

  /** The time that messages are dated with. */
  now(): Moment {
    return this.wall() + this.ahead
  }

  /**
   * What is over by this time may be removed for good. The earlier of two clocks: somebody may have set the device's,
   * and the other may stand still while the device sleeps. Until the server has told, nothing is over.
   */
  passed(): Moment {
    if (!this.known) return -Infinity
    const { told } = this
    return told ? Math.min(this.now(), told.server + this.steady() - told.steady) : this.now()
  }

  /** The server says that it is so late; NaN: it can't say. */
  async set(db: Database, server: Moment): Promise<void> {
    if (Number.isFinite(server)) {
      const difference = server - this.wall()
      const ahead = Math.abs(difference) > NEAR_MS ? difference : 0
      this.ahead = ahead
      this.told = { server: this.now(), steady: this.steady() }
      // Not `this.ahead`: while the storage is read, the subscription may still bring the value of before
      if (((await db.fact<number>(FACT)) ?? 0) !== ahead) await db.setFact(FACT, ahead)
    }
    this.known = true
  }

  /** The server can't be asked: what it told last has to do. */
  goOn(): void {
    this.known = true
  }
}

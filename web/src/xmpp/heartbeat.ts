/**
 * How long a connection may be silent before the server is asked for a sign of life: learned from the network.
 *
 * Routers forget connections that are silent, some after a minute, others after an hour, and each question wakes a
 * phone's radio. So the pause grows while connections survive it, and shrinks when one does not.
 */

/** Milliseconds. While somebody looks at the app, a dead connection has to be noticed soon. */
const FIRST_MS = 45_000
const LEAST_MS = 30_000
const MOST_MS = 240_000
const GROWTH = 1.5
/** After so many answers, a pause that a connection did not survive is tried again, since networks change. */
const TRUST_AGAIN = 20

export class Heartbeat {
  private pause = FIRST_MS
  private ceiling = MOST_MS
  private answers = 0

  /** Milliseconds of silence after which to ask. `watched`: somebody looks at the app. */
  after(watched: boolean): number {
    return watched ? Math.min(this.pause, FIRST_MS) : this.pause
  }

  /** The server has answered after so many milliseconds of silence. */
  answered(silence: number): void {
    if (++this.answers >= TRUST_AGAIN) {
      this.answers = 0
      this.ceiling = Math.min(MOST_MS, this.ceiling * GROWTH)
    }
    // A shorter silence shows nothing about this pause
    if (silence >= this.pause * 0.9) this.pause = Math.min(this.pause * GROWTH, this.ceiling)
  }

  /** A connection was found dead after so many milliseconds of silence; short ones say nothing of the path. */
  lost(silence: number): void {
    if (silence < LEAST_MS) return
    this.answers = 0
    this.ceiling = Math.max(LEAST_MS, Math.min(this.ceiling, silence) / GROWTH)
    this.pause = Math.min(this.pause, this.ceiling)
  }
}

/** Detects dead connections: after some silence, the server is asked for a sign of life. */

/** Milliseconds that each step of the login may take. */
const LOGIN_MS = 20_000
/** Milliseconds of silence until the server is asked, and from then until the connection counts as dead. */
const SILENCE_MS = 45_000
const ANSWER_MS = 10_000

export class Liveness {
  private asked = false
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly isOnline: () => boolean,
    private readonly ask: () => void,
    private readonly onDead: () => void
  ) {}

  /** The connection has begun, or something was received. */
  heard(): void {
    this.asked = false
    this.expect(this.isOnline() ? SILENCE_MS : LOGIN_MS)
  }

  /** Asks now, unless an answer is expected already. */
  probe(): void {
    if (this.asked) return
    this.asked = true
    this.ask()
    this.expect(ANSWER_MS)
  }

  stop(): void {
    clearTimeout(this.timer)
    this.asked = false
  }

  /** Expects something to be received within this time, in milliseconds. */
  private expect(time: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      if (this.isOnline() && !this.asked) this.probe()
      else this.onDead()
    }, time)
  }
}

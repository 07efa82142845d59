/** Detects dead connections: after some silence the server is asked, and must answer soon. */

/** Milliseconds that each step of the login may take. */
const LOGIN_MS = 20_000
/** Milliseconds of silence until the server is asked, and then until the connection counts as dead. */
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

  /** The connection begins, or something was received. */
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

  /** Something has to be received within that time. */
  private expect(time: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      if (this.isOnline() && !this.asked) this.probe()
      else this.onDead()
    }, time)
  }
}

/** Detects dead connections: after some silence, the server is asked for a sign of life. */
import { Heartbeat } from './heartbeat'

/** Milliseconds that each step of the login may take. */
const LOGIN_MS = 20_000
/** Milliseconds from the question until the connection counts as dead. */
const ANSWER_MS = 10_000

export class Liveness {
  private asked = false
  private timer: ReturnType<typeof setTimeout> | undefined
  private last = performance.now()
  /** The silence before the question that is not answered yet. */
  private silence = 0
  private readonly heartbeat = new Heartbeat()

  /** `watched`: whether somebody looks at the app. */
  constructor(
    private readonly isOnline: () => boolean,
    private readonly ask: () => void,
    private readonly onDead: () => void,
    private readonly watched: () => boolean
  ) {}

  /** The connection has begun, or something was received. */
  heard(): void {
    if (this.asked) this.heartbeat.answered(this.silence)
    this.asked = false
    this.last = performance.now()
    this.expect(this.isOnline() ? this.heartbeat.after(this.watched()) : LOGIN_MS)
  }

  /** Asks now, unless an answer is expected already. */
  probe(): void {
    if (this.asked) return
    this.asked = true
    this.silence = performance.now() - this.last
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
      if (this.isOnline() && !this.asked) {
        this.probe()
        return
      }
      if (this.asked) this.heartbeat.lost(this.silence)
      this.onDead()
    }, time)
  }
}

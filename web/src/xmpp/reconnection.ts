/** Schedules reconnecting, with randomized exponential backoff. */

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 60_000
/** The pause after the server has said that the account can't be used at present. */
const REST_MS = 300_000
/** A connection that lasted this long, in milliseconds, resets the backoff. */
const STEADY_MS = 10_000
/** The number of failures assumed when reconnecting at once would be useless. */
const SLOW = 3

export class Reconnection {
  private failures = 0
  private resting = false
  private onlineSince = Infinity
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly connect: () => void) {}

  succeeded(): void {
    this.onlineSince = performance.now()
  }

  /** Schedules the next attempt. */
  schedule(): void {
    if (performance.now() - this.onlineSince > STEADY_MS) this.failures = 0
    const longest = this.resting ? REST_MS : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures)
    this.resting = false
    this.failures += 1
    this.cancel()
    this.timer = setTimeout(() => this.connect(), longest * (0.3 + 0.7 * Math.random()))
  }

  cancel(): void {
    clearTimeout(this.timer)
  }

  /** The server has shown that reconnecting at once would fail in the same way. */
  slowDown(): void {
    this.failures = Math.max(SLOW, this.failures)
  }

  /** The next pause is long: until an operator changes something, each login fails in the same way. */
  rest(): void {
    this.resting = true
  }

  /** The user is waiting now, so earlier failures count less. */
  speedUp(): void {
    this.failures = Math.min(this.failures, 1)
  }
}

/** The user's own presence: online, or away when no window has been visible for a while. */
import type { Wire } from '../xmpp/wire'
import { available } from './caps'

/** Milliseconds without a visible window. */
const AWAY_AFTER_MS = 60_000

export class OwnPresence {
  private away = false
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly wire: Wire,
    private readonly awayAfter = AWAY_AFTER_MS
  ) {}

  /** Whether a window of the app is visible. */
  visible(on: boolean): void {
    clearTimeout(this.timer)
    if (on) this.setAway(false)
    else this.timer = setTimeout(() => this.setAway(true), this.awayAfter)
  }

  async send(): Promise<void> {
    const { away } = this
    const presence = await available(away)
    if (this.wire.online && away === this.away) this.wire.tell(presence)
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  private setAway(on: boolean): void {
    if (this.away === on) return
    this.away = on
    this.send().catch(() => undefined)
  }
}

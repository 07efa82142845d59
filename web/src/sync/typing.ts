/** Who is typing (XEP-0085), with a timeout. */
import type { Address, Moment } from '../local/types'

const TYPING_MS = 15_000

export class Typing {
  private readonly timers = new Map<Address, ReturnType<typeof setTimeout>>()

  /** `value`: by address, since when they have been typing. */
  constructor(
    private readonly now: () => Moment,
    private readonly value: () => Record<Address, Moment>,
    private readonly change: (typing: Record<Address, Moment>) => void
  ) {}

  /** Handles a chat state. */
  heard(from: Address, state: string): void {
    clearTimeout(this.timers.get(from))
    const before = this.value()
    const others = Object.entries(before).filter(([address]) => address !== from)
    if (state === 'composing') {
      others.push([from, this.now()])
      this.timers.set(
        from,
        setTimeout(() => this.heard(from, 'paused'), TYPING_MS)
      )
    } else if (others.length === Object.keys(before).length) {
      return
    }
    this.change(Object.fromEntries(others))
  }

  stop(): void {
    for (const timer of this.timers.values()) clearTimeout(timer)
  }
}

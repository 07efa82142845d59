/**
 * The counters of stream management (XEP-0198): which sent stanzas the server has acknowledged, and how many received
 * ones are handled.
 */

import { Lost } from './errors'

interface Sent {
  xml: string
  arrived: () => void
  lost: (error: Error) => void
}

const NEVER = 2 ** 32

export class Session {
  private sent: Sent[] = []
  private confirmed = 0
  private readonly open: { done: boolean }[] = []
  /** The number of received stanzas that are handled, including all before them. */
  handled = 0
  /** A received stanza could not be stored, so this session can't continue. */
  broken = false

  /** Counts a received stanza. The returned function is to be called when it is handled. */
  received(): () => void {
    const entry = { done: false }
    this.open.push(entry)
    return () => {
      entry.done = true
      while (this.open[0]?.done) {
        this.open.shift()
        this.handled = (this.handled + 1) % NEVER
      }
    }
  }

  /**
   * The session continues over another connection. Returns how many stanzas are handled: the server sends all later
   * ones again, so those that are still being handled must not be counted when they are done, or each counts twice.
   */
  resume(): number {
    this.open.length = 0
    return this.handled
  }

  /** Whether all received stanzas are handled. */
  get idle(): boolean {
    return this.open.length === 0
  }

  /** Resolves when the server has acknowledged the stanza. Rejects with Lost if the session ends before. */
  send(xml: string): Promise<void> {
    return new Promise((arrived, lost) => this.sent.push({ xml, arrived, lost }))
  }

  /** The server has acknowledged the first `h` stanzas. */
  acknowledge(h: number): void {
    const count = (h - this.confirmed + NEVER) % NEVER
    if (!Number.isInteger(h) || count > this.sent.length) return
    this.confirmed = h
    for (const one of this.sent.splice(0, count)) one.arrived()
  }

  /** The stanzas to send again when the session is resumed. */
  get unacknowledged(): string[] {
    return this.sent.map((one) => one.xml)
  }

  /** Ends the session. */
  end(): void {
    const lost = this.sent
    this.sent = []
    for (const one of lost) one.lost(new Lost())
  }
}

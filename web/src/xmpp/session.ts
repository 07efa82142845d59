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
  /** Stanzas of the server that this side is done with, all before them included. */
  handled = 0
  /** Something that was received could not be stored: this session can't go on. */
  broken = false

  /** A stanza was received. To be called back when it is done with. */
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

  /** Whether all that was received is done with. */
  get idle(): boolean {
    return this.open.length === 0
  }

  /** Resolves when the server has it; rejects with Lost when the session has ended before. */
  send(xml: string): Promise<void> {
    return new Promise((arrived, lost) => this.sent.push({ xml, arrived, lost }))
  }

  /** The server says how many it has got. */
  acknowledge(h: number): void {
    const count = (h - this.confirmed + NEVER) % NEVER
    if (!Number.isInteger(h) || count > this.sent.length) return
    this.confirmed = h
    for (const one of this.sent.splice(0, count)) one.arrived()
  }

  /** To be sent again when the session goes on. */
  get unacknowledged(): string[] {
    return this.sent.map((one) => one.xml)
  }

  /** The session has ended. */
  end(): void {
    const lost = this.sent
    this.sent = []
    for (const one of lost) one.lost(new Lost())
  }
}

/** Asks the server for an acknowledgement (`<r/>`, XEP-0198 §4): once for all stanzas that are sent within a moment. */

/** Milliseconds after a stanza until the server is asked; others may follow. */
const ASK_AFTER_MS = 20

export class AckRequests {
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly ask: () => void) {}

  /** A stanza was sent. */
  sent(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.ask()
    }, ASK_AFTER_MS)
  }

  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }
}

/** Answers `<r/>` of the server with how many stanzas are handled (XEP-0198 §4). */
import { NS } from './ns'
import type { Session } from './session'
import { el, type OutgoingXml } from './xml'

/** Milliseconds that the server's question may wait if there is nothing new to say. */
const ANSWER_WITHIN_MS = 1000

export class AckReplies {
  private owed = false
  /** The number that was sent last. */
  private sent = -1
  private timer: ReturnType<typeof setTimeout> | undefined

  /** `session`: that of the connection, if it can be written to. */
  constructor(
    private readonly session: () => Session | undefined,
    private readonly write: (element: OutgoingXml) => void
  ) {}

  /** The server asks. */
  requested(): void {
    this.owed = true
    this.send()
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.send(true)
    }, ANSWER_WITHIN_MS)
  }

  /** Answers if that is owed. The same number again only `anyway`, or the server would ask again at once. */
  send(anyway = false): void {
    const session = this.session()
    if (!this.owed || !session) return
    if (session.handled === this.sent && !session.idle && !anyway) return
    this.owed = false
    this.sent = session.handled
    this.write(el('a', { xmlns: NS.sm, h: String(session.handled) }))
  }

  /** A new session counts from zero. */
  reset(): void {
    this.sent = -1
  }

  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }
}

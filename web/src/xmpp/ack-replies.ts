/** Answers the server's `<r/>` with the number of handled stanzas (XEP-0198 §4). */
import { NS } from './ns'
import type { Session } from './session'
import { el, type OutgoingXml } from './xml'

/** Milliseconds that an answer may be delayed while the number does not change. */
const ANSWER_WITHIN_MS = 1000

export class AckReplies {
  private owed = false
  /** The number that was sent last; -1: none. */
  private sent = -1
  private timer: ReturnType<typeof setTimeout> | undefined

  /** `session`: the session of the connection, if that can be written to. */
  constructor(
    private readonly session: () => Session | undefined,
    private readonly write: (element: OutgoingXml) => void
  ) {}

  /** The server has sent `<r/>`. */
  requested(): void {
    this.owed = true
    this.send()
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.send(true)
    }, ANSWER_WITHIN_MS)
  }

  /**
   * Sends the answer if one is owed. An unchanged number is only sent with `anyway`, or the server would ask again at
   * once.
   */
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

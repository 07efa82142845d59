/** Matches iq requests (type get or set, RFC 6120 §8.2.3) with their answers. */
import { Lost, Refused } from './errors'
import { bare, isOwnAccount } from './jid'
import { NS } from './ns'
import { attribute, child, el, first, type OutgoingXml, type Xml } from './xml'

/** Milliseconds until a request counts as lost. */
const REQUEST_MS = 30_000

interface Pending {
  /** Who has to answer; empty: the own account. */
  from: string
  done(answer: Xml): void
  failed(error: Error): void
}

export class Requests {
  private readonly pending = new Map<string, Pending>()

  /** `jid`: the full address in the current session. */
  constructor(
    private readonly send: (stanza: OutgoingXml) => Promise<void>,
    private readonly jid: () => string
  ) {}

  /**
   * Returns the result. Rejects with Refused, NotConnected or Lost. `to`: empty for the own account; `timeout` in
   * milliseconds.
   */
  ask(type: 'get' | 'set', to: string, payload: OutgoingXml, timeout = REQUEST_MS): Promise<Xml> {
    const id = crypto.randomUUID()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => request.failed(new Lost()), timeout)
      const end = () => {
        clearTimeout(timer)
        this.pending.delete(id)
      }
      const request: Pending = {
        from: to,
        done: (answer) => {
          end()
          resolve(answer)
        },
        failed: (error) => {
          end()
          reject(error)
        }
      }
      this.pending.set(id, request)
      this.send(el('iq', { xmlns: NS.client, type, id, to: to || undefined }, payload)).catch(request.failed)
    })
  }

  /** Handles an answer. It is ignored unless it comes from whoever was asked. */
  answered(answer: Xml): void {
    const request = this.pending.get(attribute(answer, 'id'))
    if (!request) return
    const from = attribute(answer, 'from')
    const jid = this.jid()
    const own = isOwnAccount(from, jid) || from === jid
    const askedOwn = request.from === '' || request.from === bare(jid)
    if (askedOwn ? !own : from !== request.from) return
    if (attribute(answer, 'type') === 'result') {
      request.done(answer)
      return
    }
    const error = child(answer, NS.client, 'error')
    request.failed(new Refused(first(error)?.name ?? 'undefined-condition', attribute(error, 'type')))
  }

  /** The session has ended, so there will be no answers. */
  fail(): void {
    for (const request of [...this.pending.values()]) request.failed(new Lost())
  }
}

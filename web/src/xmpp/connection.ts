/**
 * The stream over WebSocket (RFC 7395), with automatic reconnection. A received stanza counts as handled (XEP-0198)
 * once it is stored, so that whatever is lost with the page is sent again.
 */
import { AckReplies } from './ack-replies'
import { AckRequests } from './ack-requests'
import { Liveness } from './liveness'
import { Reconnection } from './reconnection'
import { Requests } from './requests'
import { Session } from './session'
import { NotConnected } from './errors'
import { handshake } from './handshake'
import type { LoggedIn } from './login'
import { Socket } from './socket'
import { StanzaQueue } from './stanza-queue'
import type { ConnectionDeps } from './wiring'
import { domainOf, isOwnAccount } from './jid'
import { NS } from './ns'
import { attribute, child, el, type OutgoingXml, parse, type Xml } from './xml'

const STANZA = /^\s*<(?:message|presence|iq)[\s/>]/

export class Connection {
  /** The full address in the current session. */
  jid = ''
  private session: Session | undefined
  private resumption = ''
  online = false
  private running = false
  private active = true
  private behind: Xml[] | undefined
  private readonly socket: Socket
  private readonly requests = new Requests(
    (stanza) => this.send(stanza),
    () => this.jid
  )
  private readonly liveness = new Liveness(
    () => this.online,
    () => this.askForAck(),
    () => this.lose(),
    () => this.active
  )
  private readonly ackRequests = new AckRequests(() => this.askForAck())
  private readonly reconnection = new Reconnection(() => this.connect())
  private readonly ackReplies = new AckReplies(
    () => (this.online ? this.session : undefined),
    (element) => this.write(element)
  )

  private readonly queue = new StanzaQueue(
    (session) => {
      if (this.session === session) this.forgetSession()
    },
    () => this.ackReplies.send()
  )

  constructor(private readonly wiring: ConnectionDeps) {
    this.socket = new Socket(() => new wiring.WebSocket(wiring.url, 'xmpp'), {
      opened: () => this.open(),
      received: (data) => this.receive(data),
      lost: () => this.lose()
    })
  }

  start(): void {
    if (this.running) return
    this.running = true
    this.connect()
  }

  /** Ends the stream and the session. */
  stop(): void {
    this.running = false
    this.reconnection.cancel()
    this.write(el('close', { xmlns: NS.framing }))
    this.drop(false)
    this.endSession()
  }

  /**
   * Ends the session when the page is closed, since nobody could resume it, and others see at once that it ended. If
   * the page is shown again, `nudge` connects.
   */
  leave(farewell: OutgoingXml): void {
    if (!this.online) return
    this.write(farewell)
    this.write(el('close', { xmlns: NS.framing }))
    this.drop(true)
    this.endSession()
  }

  /** Connects at once, or checks the connection, for example because the network or the user is back. */
  nudge(): void {
    if (!this.running) return
    if (this.online) this.liveness.probe()
    else if (!this.socket.current) {
      this.reconnection.speedUp()
      this.connect()
    }
  }

  /** Whether the user looks at the app (XEP-0352). */
  setActive(on: boolean): void {
    if (this.active === on) return
    this.active = on
    if (this.online) this.write(el(on ? 'active' : 'inactive', { xmlns: NS.csi }))
  }

  /** Resolves when the server has acknowledged the stanza. Rejects with NotConnected or Lost. */
  send(stanza: OutgoingXml): Promise<void> {
    if (!this.session || !this.online) return Promise.reject(new NotConnected())
    const arrived = this.session.send(stanza.xml)
    this.write(stanza)
    this.ackRequests.sent()
    return arrived
  }

  /** Sends what need not be repeated, such as presence. */
  tell(stanza: OutgoingXml): void {
    this.send(stanza).catch(() => undefined)
  }

  /**
   * Sends an iq request and returns the result. Rejects with Refused, NotConnected or Lost. `to`: empty for the own
   * account.
   */
  request(type: 'get' | 'set', to: string, payload: OutgoingXml, timeout?: number): Promise<Xml> {
    return this.requests.ask(type, to, payload, timeout)
  }

  private connect(): void {
    this.reconnection.cancel()
    this.drop(false)
    this.wiring.connecting()
    try {
      this.socket.open()
    } catch {
      this.reconnection.schedule()
      return
    }
    this.liveness.heard()
  }

  private async open(): Promise<void> {
    const socket = this.socket.current
    const credential = await this.wiring.credential()
    if (socket !== this.socket.current || !credential) return
    const to = domainOf(credential.address)
    this.write(el('open', { xmlns: NS.framing, to, version: '1.0' }))
  }

  private receive(data: string): void {
    let element: Xml
    try {
      element = parse(data)
    } catch {
      this.unreadable(data)
      return
    }
    this.liveness.heard()
    this.take(element)
  }

  /** Text that is not XML counts as a handled stanza, or it would be sent again over each connection and end it. */
  private unreadable(data: string): void {
    const { session } = this
    if (!session || !this.online || this.behind || !STANZA.test(data)) {
      this.lose()
      return
    }
    this.liveness.heard()
    this.queue.add(session, () => this.wiring.unreadable(data), session.received())
  }

  /** Handles elements in order: those behind the answer to the login wait until that is handled. */
  private take(element: Xml): void {
    if (this.behind) {
      this.behind.push(element)
      return
    }
    const name = element.name
    if (!this.online) {
      const behind: Xml[] = []
      this.behind = behind
      this.login(element)
        .catch(() => this.lose())
        .finally(() => {
          if (this.behind !== behind) return
          this.behind = undefined
          for (const one of behind) this.take(one)
        })
    } else if (name === 'message' || name === 'presence' || name === 'iq') {
      this.stanza(name, element)
    } else if (name === 'r') {
      this.ackReplies.requested()
    } else if (name === 'a') {
      this.session?.acknowledge(Number(attribute(element, 'h')))
    } else if (name === 'error') {
      if (child(element, 'urn:ietf:params:xml:ns:xmpp-streams', 'conflict')) this.reconnection.slowDown()
    } else if (name === 'close') {
      this.lose()
    }
  }

  private async login(element: Xml): Promise<void> {
    const socket = this.socket.current
    const resume = () =>
      this.session && this.resumption ? { id: this.resumption, handled: this.session.resume() } : undefined
    const outcome = await handshake(element, this.wiring, resume, this.active)
    if (socket !== this.socket.current) return
    if (outcome.type === 'request') this.write(outcome.request)
    else if (outcome.type === 'logged-in') this.enter(outcome.login)
    else if (outcome.type === 'closed') this.lose()
    else if (outcome.type === 'suspended') {
      this.reconnection.rest()
      this.lose()
      this.wiring.suspended(outcome.reason)
    } else if (outcome.type === 'revoked') {
      this.running = false
      this.drop(false)
      this.endSession()
      this.wiring.revoked()
    }
  }

  private enter({ jid, resumed, resumption, newest }: LoggedIn): void {
    this.reconnection.succeeded()
    this.jid = jid
    this.online = true
    this.liveness.heard()
    if (resumed !== undefined && this.session) {
      this.session.acknowledge(resumed)
      for (const xml of this.session.unacknowledged) this.write({ xml })
      this.askForAck()
      this.wiring.online(undefined)
      return
    }
    this.endSession()
    this.session = new Session()
    this.ackReplies.reset()
    this.resumption = resumption
    this.wiring.online(newest)
  }

  private stanza(name: string, stanza: Xml): void {
    const { session } = this
    if (!session) return
    const done = session.received()
    if (name === 'iq') {
      const type = attribute(stanza, 'type')
      if (type === 'result' || type === 'error') {
        this.requests.answered(stanza)
        done()
        return
      }
    }
    // Only the account itself tells what is in its archive (XEP-0313 §7.1)
    const own = isOwnAccount(attribute(stanza, 'from'), this.jid)
    const result = name === 'message' && own ? child(stanza, NS.mam, 'result') : undefined
    if (result) {
      this.wiring.result(result)
      done()
      return
    }
    this.queue.add(session, () => this.wiring.stanza(stanza), done)
  }

  private askForAck(): void {
    this.write(el('r', { xmlns: NS.sm }))
  }

  private write(element: OutgoingXml): void {
    this.socket.write(element)
  }

  private lose(): void {
    this.drop(true)
    if (this.running) this.reconnection.schedule()
  }

  private drop(tell: boolean): void {
    this.ackRequests.stop()
    this.liveness.stop()
    this.ackReplies.stop()
    this.behind = undefined
    const was = this.online
    this.online = false
    this.socket.close()
    if (tell || was) this.wiring.offline()
  }

  private forgetSession(): void {
    this.resumption = ''
    this.reconnection.slowDown()
    this.lose()
  }

  private endSession(): void {
    const { session } = this
    this.session = undefined
    this.resumption = ''
    this.requests.fail()
    session?.end()
  }
}

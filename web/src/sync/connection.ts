/**
 * The stream over WebSocket (RFC 7395) that comes back by itself. A stanza counts as handled (XEP-0198) when this side
 * has stored it, so what was lost with a page is sent again.
 */
import type { Credential } from '../local/types'
import { Acknowledged } from './acknowledged'
import { Lost, NotConnected, Refused } from './errors'
import { authenticate, isRevoked, type LoggedIn, success } from './login'
import {
  attribute,
  bare,
  child,
  children,
  domainOf,
  el,
  first,
  type Made,
  NS,
  parse,
  textOf,
  type Xml
} from './xml'

export interface Wiring {
  url: string
  WebSocket: typeof WebSocket
  /** What the device is called in the account's list. */
  device: string
  credential(): Promise<Credential | undefined>
  /** The token that counts from now on; it is used when this has resolved. */
  renewed(token: string): Promise<void>
  connecting(): void
  /** `newest`: of a new session, the newest entry of the archive; undefined: the old session goes on. */
  online(newest: string | undefined): void
  offline(): void
  revoked(): void
  /** The largest stanza that the server takes, in bytes (XEP-0478). */
  limit(bytes: number): void
  /** One after the other; a stanza is acknowledged when its promise has resolved. */
  stanza(stanza: Xml): Promise<void> | void
  /** What looks like a stanza, but is no XML. */
  unreadable(text: string): Promise<void>
  /** Results of a query of the archive are told at once, beside the others. */
  result(result: Xml): void
}

const LOGIN_MS = 20_000
const REQUEST_MS = 30_000
/** After so long without a word the server is asked, and after so long without an answer the connection is dead. */
const SILENCE_MS = 45_000
const ANSWER_MS = 10_000
const LONGEST_WAIT_MS = 60_000
const ASK_AFTER_MS = 20
/** A connection that lasted so long was a good one. */
const STEADY_MS = 10_000
/** Failures that are counted for what will not be better at once. */
const SLOW = 3
/** The server's question may wait so long, if there is nothing new to say. */
const ANSWER_WITHIN_MS = 1000

interface Request {
  from: string
  done(answer: Xml): void
  failed(error: Error): void
}

const STANZA = /^\s*<(?:message|presence|iq)[\s/>]/

type Timer = ReturnType<typeof setTimeout>

export class Connection {
  /** The full address in the current session. */
  jid = ''
  private socket: WebSocket | undefined
  private session: Acknowledged | undefined
  private resumption = ''
  private isOnline = false
  private running = false
  private active = true
  private failures = 0
  private entered = Infinity
  private told = -1
  private answering: Timer | undefined
  private asked = false
  private behind: Xml[] | undefined
  private owesAck = false
  private retry: Timer | undefined
  private watch: Timer | undefined
  private asking: Timer | undefined
  private incoming: Promise<void> = Promise.resolve()
  private readonly requests = new Map<string, Request>()

  constructor(private readonly wiring: Wiring) {}

  start(): void {
    if (this.running) return
    this.running = true
    this.connect()
  }

  /** Ends the stream; a session ends with it. */
  stop(): void {
    this.running = false
    clearTimeout(this.retry)
    if (this.socket?.readyState === 1) this.socket.send(el('close', { xmlns: NS.framing }).xml)
    this.drop(false)
    this.endSession()
  }

  /**
   * The page goes: the session ends at once, since nobody could take it up again, and others see it. If the page comes
   * back after all, `nudge` connects.
   */
  leave(farewell: Made): void {
    if (!this.isOnline) return
    this.write(farewell)
    this.write(el('close', { xmlns: NS.framing }))
    this.drop(true)
    this.endSession()
  }

  get online(): boolean {
    return this.isOnline
  }

  /** The network is back or the person is: connect at once, or see whether the connection still lives. */
  nudge(): void {
    if (!this.running) return
    if (this.isOnline) this.probe()
    else if (!this.socket) {
      // What failed while nobody waited is no reason to let somebody wait
      this.failures = Math.min(this.failures, 1)
      this.connect()
    }
  }

  /** Whether somebody looks (XEP-0352). */
  setActive(on: boolean): void {
    if (this.active === on) return
    this.active = on
    if (this.isOnline) this.write(el(on ? 'active' : 'inactive', { xmlns: NS.csi }))
  }

  /** Resolves when the server has the stanza. Rejects with NotConnected or Lost. */
  send(stanza: Made): Promise<void> {
    if (!this.session || !this.isOnline) return Promise.reject(new NotConnected())
    const arrived = this.session.send(stanza.xml)
    this.write(stanza)
    this.asking ??= setTimeout(() => {
      this.asking = undefined
      if (this.isOnline) this.write(el('r', { xmlns: NS.sm }))
    }, ASK_AFTER_MS)
    return arrived
  }

  /** For what is not worth to be sent again, like presence. */
  tell(stanza: Made): void {
    this.send(stanza).catch(() => undefined)
  }

  /** The result. Rejects with Refused, NotConnected or Lost. `to` is empty: the own account. */
  request(type: 'get' | 'set', to: string, payload: Made, timeout = REQUEST_MS): Promise<Xml> {
    const id = crypto.randomUUID()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => request.failed(new Lost()), timeout)
      const end = () => {
        clearTimeout(timer)
        this.requests.delete(id)
      }
      const request: Request = {
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
      this.requests.set(id, request)
      this.send(el('iq', { xmlns: NS.client, type, id, to: to || undefined }, payload)).catch(request.failed)
    })
  }

  private connect(): void {
    clearTimeout(this.retry)
    this.drop(false)
    this.wiring.connecting()
    let socket: WebSocket
    try {
      socket = new this.wiring.WebSocket(this.wiring.url, 'xmpp')
    } catch {
      this.later()
      return
    }
    this.socket = socket
    this.expect(LOGIN_MS)
    socket.onopen = () => {
      this.open(socket).catch(() => {
        if (socket === this.socket) this.lose()
      })
    }
    socket.onmessage = ({ data }) => {
      if (socket === this.socket) this.receive(String(data))
    }
    socket.onclose = () => {
      if (socket === this.socket) this.lose()
    }
    socket.onerror = () => {
      if (socket === this.socket) this.lose()
    }
  }

  private async open(socket: WebSocket): Promise<void> {
    const credential = await this.wiring.credential()
    if (socket !== this.socket || !credential) return
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
    this.heard()
    this.take(element)
  }

  /** One such element must not end each connection that it comes over: it counts as a stanza that is done with. */
  private unreadable(data: string): void {
    const { session } = this
    if (!session || !this.isOnline || this.behind || !STANZA.test(data)) {
      this.lose()
      return
    }
    this.heard()
    this.handle(session, () => this.wiring.unreadable(data), session.received())
  }

  private heard(): void {
    this.asked = false
    this.expect(this.isOnline ? SILENCE_MS : LOGIN_MS)
  }

  /** In order: what comes right behind the answer to the login waits until that is understood. */
  private take(element: Xml): void {
    if (this.behind) {
      this.behind.push(element)
      return
    }
    const name = element.name
    if (!this.isOnline) {
      const behind: Xml[] = []
      this.behind = behind
      this.login(name, element)
        .catch(() => this.lose())
        .finally(() => {
          if (this.behind !== behind) return
          this.behind = undefined
          for (const one of behind) this.take(one)
        })
    } else if (name === 'message' || name === 'presence' || name === 'iq') {
      this.stanza(name, element)
    } else if (name === 'r') {
      this.owesAck = true
      this.acknowledge()
      this.answering ??= setTimeout(() => {
        this.answering = undefined
        this.acknowledge(true)
      }, ANSWER_WITHIN_MS)
    } else if (name === 'a') {
      this.session?.acknowledge(Number(attribute(element, 'h')))
    } else if (name === 'error') {
      if (child(element, 'urn:ietf:params:xml:ns:xmpp-streams', 'conflict'))
        this.failures = Math.max(SLOW, this.failures)
    } else if (name === 'close') {
      this.lose()
    }
  }

  private async login(name: string, element: Xml): Promise<void> {
    const socket = this.socket
    if (name === 'features') {
      const most = child(child(element, NS.limits, 'limits'), NS.limits, 'max-bytes')
      if (most) this.wiring.limit(Number(textOf(most)))
      const credential = await this.wiring.credential()
      if (!credential || socket !== this.socket) return
      const mechanisms = children(
        child(child(child(element, NS.sasl2, 'authentication'), NS.sasl2, 'inline'), NS.fast, 'fast'),
        NS.fast,
        'mechanism'
      )
      if (!mechanisms.some((one) => textOf(one) === credential.mechanism)) throw new Error('no token login')
      const { session, resumption } = this
      const resume = session && resumption ? { id: resumption, handled: session.handled } : undefined
      const request = await authenticate(credential, this.wiring.device, resume, this.active)
      if (socket === this.socket) this.write(request)
    } else if (name === 'success') {
      const credential = await this.wiring.credential()
      const login = credential && (await success(element, credential))
      if (!login) throw new Error('not the server that this device knows')
      if (login.token !== undefined) await this.wiring.renewed(login.token)
      if (socket === this.socket) this.enter(login)
    } else if (name === 'failure') {
      if (!isRevoked(element)) throw new Error(first(element)?.name ?? 'failure')
      this.running = false
      this.drop(false)
      this.endSession()
      this.wiring.revoked()
    } else if (name === 'error' || name === 'close') {
      this.lose()
    }
  }

  private enter({ jid, resumed, resumption, newest }: LoggedIn): void {
    this.entered = performance.now()
    this.jid = jid
    this.isOnline = true
    this.expect(SILENCE_MS)
    if (resumed !== undefined && this.session) {
      this.session.acknowledge(resumed)
      for (const xml of this.session.unacknowledged) this.write({ xml })
      this.write(el('r', { xmlns: NS.sm }))
      this.wiring.online(undefined)
      return
    }
    this.endSession()
    this.session = new Acknowledged()
    this.told = -1
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
        this.answered(stanza)
        done()
        return
      }
    }
    // Nobody else tells what is in the own archive (XEP-0313 §7.1)
    const result = name === 'message' && this.isOwn(stanza) ? child(stanza, NS.mam, 'result') : undefined
    if (result) {
      this.wiring.result(result)
      done()
      return
    }
    this.handle(session, () => this.wiring.stanza(stanza), done)
  }

  /** From the account itself, or the server on its behalf (RFC 6120 §8.1.2.1). */
  private isOwn(stanza: Xml): boolean {
    const from = attribute(stanza, 'from')
    return from === '' || from === bare(this.jid)
  }

  private handle(session: Acknowledged, work: () => Promise<void> | void, done: () => void): void {
    this.incoming = this.incoming
      .then(() => (session.broken ? undefined : work()))
      .then(done, () => {
        // Not stored, so neither it nor what follows is taken: a new session reads them from the archive
        session.broken = true
        if (this.session === session) this.forgetSession()
      })
      .then(() => this.acknowledge())
  }

  private answered(answer: Xml): void {
    const request = this.requests.get(attribute(answer, 'id'))
    if (!request) return
    const from = attribute(answer, 'from')
    const own = this.isOwn(answer) || from === this.jid
    const asked = request.from === '' || request.from === bare(this.jid)
    if (asked ? !own : from !== request.from) return
    if (attribute(answer, 'type') === 'result') {
      request.done(answer)
      return
    }
    const error = child(answer, NS.client, 'error')
    request.failed(new Refused(first(error)?.name ?? 'undefined-condition', attribute(error, 'type')))
  }

  /** Tells how much is done. The same again only after a while, or the server would ask at once again. */
  private acknowledge(anyhow = false): void {
    const { session } = this
    if (!this.owesAck || !this.isOnline || !session) return
    if (session.handled === this.told && !session.idle && !anyhow) return
    this.owesAck = false
    this.told = session.handled
    this.write(el('a', { xmlns: NS.sm, h: String(session.handled) }))
  }

  private write({ xml }: Made): void {
    if (this.socket?.readyState === 1) this.socket.send(xml)
  }

  private probe(): void {
    if (this.asked) return
    this.asked = true
    this.write(el('r', { xmlns: NS.sm }))
    this.expect(ANSWER_MS)
  }

  /** Something has to come within that time. */
  private expect(time: number): void {
    clearTimeout(this.watch)
    this.watch = setTimeout(() => {
      if (this.isOnline && !this.asked) this.probe()
      else this.lose()
    }, time)
  }

  private lose(): void {
    this.drop(true)
    if (this.running) this.later()
  }

  private later(): void {
    if (performance.now() - this.entered > STEADY_MS) this.failures = 0
    const longest = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** this.failures)
    this.failures += 1
    clearTimeout(this.retry)
    this.retry = setTimeout(() => this.connect(), longest * (0.3 + 0.7 * Math.random()))
  }

  private drop(tell: boolean): void {
    const { socket } = this
    clearTimeout(this.watch)
    clearTimeout(this.asking)
    clearTimeout(this.answering)
    this.asking = this.answering = undefined
    this.asked = false
    this.socket = this.behind = undefined
    const was = this.isOnline
    this.isOnline = false
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null
      socket.close()
    }
    if (tell || was) this.wiring.offline()
  }

  private forgetSession(): void {
    this.resumption = ''
    this.failures = Math.max(SLOW, this.failures)
    this.lose()
  }

  private endSession(): void {
    const { session } = this
    this.session = undefined
    this.resumption = ''
    for (const request of [...this.requests.values()]) request.failed(new Lost())
    session?.end()
  }
}

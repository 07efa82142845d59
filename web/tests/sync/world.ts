/**
 * A server in memory that speaks XMPP over WebSocket as far as the app needs: token login, resumption, archive,
 * copies, personal nodes. It can lose connections, deliver late, and forget sessions.
 */
import { base64 } from '@scure/base'
import { bare } from '../../src/xmpp/jid'
import { NS } from '../../src/xmpp/ns'
import {
  attribute,
  child,
  children,
  el,
  elements,
  first,
  type OutgoingXml,
  textOf,
  write,
  type Xml
} from '../../src/xmpp/xml'
import { Socket } from './world-socket'

interface Entry {
  id: string
  from: string
  to: string
  inner: string
  type: string
  stanza: string
}

/** A session, with or without a connection. */
export interface Session {
  jid: string
  token: string
  socket: Socket | undefined
  received: number
  acknowledged: number
  sent: string[]
  available: boolean
}

const enc = (text: string) => new TextEncoder().encode(text)

export class World {
  readonly log: Entry[] = []
  readonly sockets = new Set<Socket>()
  sessions: Session[] = []
  readonly nodes = new Map<string, Map<string, string>>()
  /** Who is blocked, by who blocks. */
  readonly blocked = new Map<string, Set<string>>()
  /** Frames of live messages that are held back: `late` lets them go. */
  held: (() => void)[] = []
  holding = false
  /** Tokens by agent; what is not here is refused. */
  readonly tokens = new Map<string, string>()
  failing = false
  /** Why the operators have suspended everybody. */
  suspended: string | undefined
  /** Full addresses, by each login. */
  readonly logins: string[] = []
  /** All of these are in the contacts of each other. */
  friends = ['ada', 'ben', 'cem', 'cleo'].map((name) => `${name}@example.org`)
  /** An answer of a device has come. */
  answered: (iq: Xml) => void = () => undefined
  /** What devices have said of their presence. */
  readonly presences: string[] = []
  /** What the server says the time is (XEP-0202); undefined: it says nothing of it. */
  time: (() => number) | undefined
  queries = 0
  /** Characters of the largest iq between devices. */
  largest = 0
  /** A server that does as it likes with what goes from device to device; undefined: it drops it. */
  meddle: (inner: string, head: { from: string; to: string; type: string }) => string | undefined = (inner) =>
    inner
  private count = 0
  private readonly origins = new Set<string>()

  /** For `Deps.WebSocket`: connections of one device. */
  socketOf(plug: { in: boolean }): typeof WebSocket {
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    const world = this
    return class extends Socket {
      constructor() {
        super(world, plug)
      }
    } as unknown as typeof WebSocket
  }

  nextId(): string {
    this.count += 1
    return `${(Date.now() * 0x1000).toString(16).padStart(14, '0').slice(0, 11)}${this.count.toString(16).padStart(5, '0')}`
  }

  /** All connections go; the sessions wait for them, unless `forget`. */
  restart(forget: boolean): void {
    for (const socket of [...this.sockets]) socket.cut()
    if (forget) this.sessions = []
  }

  late(): void {
    this.holding = false
    const held = this.held
    this.held = []
    for (const go of held.reverse()) go()
  }

  /** A message is taken into the log, once, and rings. */
  take(from: string, stanza: Xml): void {
    const to = bare(attribute(stanza, 'to'))
    const me = bare(from)
    const origin = attribute(child(stanza, NS.sid, 'origin-id'), 'id')
    const inner = elements(stanza)
      .map((one) => write(one))
      .join('')
    // A retry has the same content, or it is none
    const name = `${me} ${to} ${origin} ${inner}`
    if (origin && this.origins.has(name)) return
    if (origin) this.origins.add(name)
    const kept = child(stanza, NS.hints, 'no-store') === undefined
    const id = kept ? this.nextId() : ''
    const entry: Entry = { id, from, to, inner, type: attribute(stanza, 'type'), stanza: '' }
    entry.stanza = `<message xmlns='jabber:client' from='${from}' to='${to}' type='chat' id='${attribute(stanza, 'id')}'>${inner}`
    if (kept) this.log.push(entry)
    this.ring(entry)
  }

  ring({ id, from, to, stanza }: Entry): void {
    for (const session of [...this.sessions]) {
      const owner = bare(session.jid)
      const mark = id ? `<stanza-id xmlns='${NS.sid}' id='${id}' by='${owner}'/>` : ''
      let frame: string
      if (owner === to && session.jid !== from) frame = `${stanza}${mark}</message>`
      else if (owner === bare(from) && session.jid !== from) {
        frame =
          `<message xmlns='jabber:client' from='${owner}' to='${session.jid}'><sent xmlns='${NS.carbons}'>` +
          `<forwarded xmlns='${NS.forward}'>${stanza}${mark}</message></forwarded></sent></message>`
      } else continue
      if (this.holding) this.held.push(() => this.push(session, frame))
      else this.push(session, frame)
    }
  }

  push(session: Session, frame: string): void {
    if (!this.sessions.includes(session)) return
    session.sent.push(frame)
    session.socket?.give(frame)
    session.socket?.give(`<r xmlns='${NS.sm}'/>`)
  }

  /** A stanza as it is, hostile or not. */
  give({ agent }: { agent: string }, frame: string): void {
    for (const session of this.sessions) if (session.jid.endsWith(agent)) this.push(session, frame)
  }

  async login(socket: Socket, request: Xml): Promise<void> {
    const agent = attribute(child(request, NS.sasl2, 'user-agent'), 'id')
    const token = this.tokens.get(agent)
    const [user = ''] = atob(textOf(child(request, NS.sasl2, 'initial-response'))).split('\0')
    if (token === undefined || this.failing) {
      const condition = this.failing ? 'temporary-auth-failure' : 'not-authorized'
      socket.give(
        `<failure xmlns='${NS.sasl2}'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>`
      )
      return
    }
    if (this.suspended !== undefined) {
      socket.give(
        `<failure xmlns='${NS.sasl2}'><account-disabled xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/><text>${this.suspended}</text></failure>`
      )
      return
    }
    const key = await crypto.subtle.importKey('raw', enc(token), { name: 'HMAC', hash: 'SHA-256' }, false, [
      'sign'
    ])
    const proof = base64.encode(new Uint8Array(await crypto.subtle.sign('HMAC', key, enc('Responder'))))
    const jid = `${user}@example.org/${agent}`
    this.logins.push(jid)
    const resume = child(request, NS.sm, 'resume')
    const old = this.sessions.find((one) => one.token === attribute(resume, 'previd') && one.jid === jid)
    const head = `<additional-data>${proof}</additional-data><authorization-identifier>${jid}</authorization-identifier>`
    if (resume && old) {
      old.socket?.cut()
      old.socket = socket
      socket.session = old
      this.acknowledged(old, Number(attribute(resume, 'h')))
      socket.give(
        `<success xmlns='${NS.sasl2}'>${head}<resumed xmlns='${NS.sm}' previd='${old.token}' h='${old.received}'/></success>`
      )
      for (const frame of old.sent) socket.give(frame)
      return
    }
    for (const other of this.sessions.filter((one) => one.jid === jid)) {
      other.socket?.cut()
      this.end(other)
    }
    const session: Session = {
      jid,
      token: crypto.randomUUID(),
      socket,
      received: 0,
      acknowledged: 0,
      sent: [],
      available: false
    }
    this.sessions.push(session)
    socket.session = session
    const newest = this.log.filter((one) => bare(one.from) === bare(jid) || one.to === bare(jid)).at(-1)?.id
    const end = newest ? `<end id='${newest}'/>` : ''
    socket.give(
      `<success xmlns='${NS.sasl2}'>${head}<bound xmlns='${NS.bind}'><metadata xmlns='${NS.mam}'>${end}</metadata>` +
        `<enabled xmlns='${NS.sm}' id='${session.token}' resume='true'/></bound></success>`
    )
  }

  /** Presence among the devices of one account (RFC 6121 §4.2). */
  appear(session: Session): void {
    if (session.available) return
    session.available = true
    for (const other of this.sessions) {
      if (other === session || bare(other.jid) !== bare(session.jid) || !other.available) continue
      this.push(other, presence(session.jid, other.jid))
      this.push(session, presence(other.jid, session.jid))
    }
  }

  end(session: Session): void {
    this.sessions = this.sessions.filter((one) => one !== session)
    if (!session.available) return
    for (const other of this.sessions) {
      if (bare(other.jid) === bare(session.jid) && other.available) {
        this.push(other, presence(session.jid, other.jid, 'unavailable'))
      }
    }
  }

  /** An iq to a full address (RFC 6121 §8.5.3.2.3); it is in no log. */
  between(session: Session, iq: Xml): void {
    const to = attribute(iq, 'to')
    const type = attribute(iq, 'type')
    const target = this.sessions.find((one) => one.jid === to)
    const inner = elements(iq)
      .map((one) => write(one))
      .join('')
    const frame = (from: string, to: string, type: string, content: string) =>
      `<iq xmlns='jabber:client' from='${from}' to='${to}' type='${type}' id='${attribute(iq, 'id')}'>${content}</iq>`
    if (target) {
      this.largest = Math.max(this.largest, inner.length)
      const seen = this.meddle(inner, { from: session.jid, to, type })
      if (seen !== undefined) this.push(target, frame(session.jid, to, type, seen))
    } else if (type === 'get' || type === 'set') {
      const error = `<error type='cancel'><service-unavailable xmlns='${NS.stanzas}'/></error>`
      this.push(session, frame(to, session.jid, 'error', error))
    }
  }

  acknowledged(session: Session, h: number): void {
    session.sent.splice(0, h - session.acknowledged)
    session.acknowledged = h
  }

  request(session: Session, iq: Xml): void {
    const id = attribute(iq, 'id')
    const payload = first(iq)
    const answer = (type: string, ...content: (OutgoingXml | undefined)[]) => {
      const from = attribute(iq, 'to')
      const head = { xmlns: NS.client, type, id, from: from || undefined, to: session.jid }
      this.push(session, el('iq', head, ...content).xml)
    }
    if (!payload) return
    const namespace = payload.namespace
    if (namespace === NS.mam) answer('result', this.archive(session, payload))
    else if (namespace === NS.pubsub) {
      const published = child(payload, NS.pubsub, 'publish')
      const owner = bare(attribute(iq, 'to') || session.jid)
      if (published) {
        const item = child(published, NS.pubsub, 'item')
        const node = `${owner} ${attribute(published, 'node')}`
        const items = this.nodes.get(node) ?? new Map<string, string>()
        items.set(attribute(item, 'id'), write(first(item) as Xml))
        this.nodes.set(node, items)
        answer('result')
        this.event(owner, attribute(published, 'node'), items)
      } else {
        const wanted = attribute(child(payload, NS.pubsub, 'items'), 'node')
        answer('result', {
          xml: `<pubsub xmlns='${NS.pubsub}'><items node='${wanted}'>${itemsOf(this.nodes.get(`${owner} ${wanted}`))}</items></pubsub>`
        })
      }
    } else if (namespace === NS.blocking) {
      const me = bare(session.jid)
      const blocked = this.blocked.get(me) ?? new Set()
      this.blocked.set(me, blocked)
      for (const item of children(payload, NS.blocking, 'item')) {
        if (payload.name === 'block') blocked.add(attribute(item, 'jid'))
        else blocked.delete(attribute(item, 'jid'))
      }
      const items = [...blocked].map((jid) => el('item', { jid }))
      answer(
        'result',
        payload.name === 'blocklist' ? el('blocklist', { xmlns: NS.blocking }, ...items) : undefined
      )
    } else if (namespace === NS.roster && attribute(iq, 'type') === 'get') {
      const others = this.friends.filter((one) => one !== bare(session.jid))
      const items = others.map((jid) => el('item', { jid, subscription: 'both' }))
      answer(
        'result',
        el('query', { xmlns: NS.roster }, ...(this.friends.includes(bare(session.jid)) ? items : []))
      )
    } else if (namespace === NS.time && this.time) {
      answer('result', el('time', { xmlns: NS.time }, el('utc', {}, new Date(this.time()).toISOString())))
    } else answer('result')
  }

  private event(owner: string, node: string, items: Map<string, string>): void {
    for (const session of [...this.sessions]) {
      if (bare(session.jid) !== owner) continue
      this.push(
        session,
        `<message xmlns='jabber:client' type='headline' from='${owner}' to='${session.jid}'><event xmlns='${NS.pubsubEvent}'>` +
          `<items node='${node}'>${itemsOf(items)}</items></event></message>`
      )
    }
  }

  private archive(session: Session, query: Xml): OutgoingXml {
    this.queries += 1
    const me = bare(session.jid)
    const fields = new Map(
      children(child(query, NS.form, 'x'), NS.form, 'field').map((field) => [
        attribute(field, 'var'),
        textOf(child(field, NS.form, 'value'))
      ])
    )
    const set = child(query, NS.rsm, 'set')
    const max = Number(textOf(child(set, NS.rsm, 'max')))
    const before = textOf(child(set, NS.rsm, 'before'))
    const peer = fields.get('with')
    const start =
      fields.has('start') &&
      Date.parse(fields.get('start') ?? '')
        .toString(16)
        .padStart(11, '0')
    const end =
      fields.has('end') &&
      Date.parse(fields.get('end') ?? '')
        .toString(16)
        .padStart(11, '0') + 'fffff'
    const all = this.log.filter(
      ({ id, from, to }) =>
        (bare(from) === me || to === me) &&
        id > (fields.get('after-id') ?? '') &&
        (!before || id < before) &&
        (!end || id < end) &&
        (!start || id >= start) &&
        (!peer || bare(from) === peer || to === peer)
    )
    if (max === 0) return el('fin', { xmlns: NS.mam }, rsm(el('count', {}, String(all.length))))
    const page = all.slice(-max)
    for (const { id, stanza } of page) {
      this.push(
        session,
        `<message xmlns='jabber:client' from='${me}' to='${session.jid}'><result xmlns='${NS.mam}' id='${id}' ` +
          `queryid='${attribute(query, 'queryid')}'><forwarded xmlns='${NS.forward}'>${stanza}</message></forwarded></result></message>`
      )
    }
    const complete = page.length === all.length ? 'true' : undefined
    return el('fin', { xmlns: NS.mam, complete }, rsm(el('first', {}, page[0]?.id ?? '')))
  }
}

function itemsOf(items: Map<string, string> | undefined): string {
  return [...(items ?? [])].map(([id, payload]) => `<item id='${id}'>${payload}</item>`).join('')
}

function presence(from: string, to: string, type = ''): string {
  return `<presence xmlns='jabber:client' from='${from}' to='${to}'${type && ` type='${type}'`}/>`
}

function rsm(content: OutgoingXml): OutgoingXml {
  return el('set', { xmlns: NS.rsm }, content)
}

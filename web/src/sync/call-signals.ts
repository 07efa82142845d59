/**
 * Calls in the tab that leads the connection. Their code is loaded with the first call; until then, this finds out
 * whether a stanza is about one.
 */
import type { CallLine } from '../calls/line'
import { type CallMessage, callMessageIn, over, plain, proceed, propose } from '../calls/messages'
import type { CallAction, CallEvent } from '../calls/types'
import type { Crypto } from '../crypto/crypto'
import { isAccepted } from '../local/accepted'
import { isGroup, isServer } from '../local/address'
import type { Database } from '../local/database'
import type { Address, Moment } from '../local/types'
import { NS } from '../xmpp/ns'
import { bare } from '../xmpp/jid'
import { type ReceivedMessage, read } from '../xmpp/received'
import type { Wire } from '../xmpp/wire'
import { attribute, child, parse, type Xml } from '../xmpp/xml'
import { STRANGERS_RING } from './app'
import type { LiveState } from './live'
import { whenConnected } from './when-connected'

export interface CallSignalsDeps {
  db: Database
  me: Address
  wire: Wire
  crypto: Crypto
  live: LiveState
  now(): Moment
  /** All ratchet steps are stored. */
  stored(): Promise<void>
  tell(event: CallEvent): void
  /** Stores a message that this device has sent. */
  store(message: ReceivedMessage): Promise<void>
}

/** A proposal in the archive that is older does not ring. */
const RING_MS = 60_000
const PROPOSAL = 'jm-propose-'
/** How long something about a call waits for a connection. */
const PATIENCE_MS = 60_000

export class CallSignals {
  private loading: Promise<CallLine> | undefined
  private line: CallLine | undefined
  private stopped = false

  constructor(private readonly deps: CallSignalsDeps) {}

  /** A live message, before it is stored: ringing does not wait until the archive was read. */
  async live(message: Xml, incoming: ReceivedMessage): Promise<void> {
    if (incoming.error) {
      const id = attribute(message, 'id')
      if (id.startsWith(PROPOSAL)) this.line?.bounced(id.slice(PROPOSAL.length))
      return
    }
    const said = incoming.call && callMessageIn(message)
    if (!said || isGroup(incoming.chat, this.deps.me) || isServer(incoming.from, this.deps.me)) return
    await this.say(
      said,
      attribute(message, 'from') || this.deps.me,
      bare(attribute(message, 'to')),
      incoming.at
    )
  }

  /** A message that was stored: from the archive, it may be about a call that rings now. */
  stored({ call, mine, chat, at }: ReceivedMessage): void {
    const { me, now } = this.deps
    if (!call || now() - at > RING_MS || isGroup(chat, me) || isServer(chat, me)) return
    const children = [call.element]
    const said = callMessageIn({ name: 'message', namespace: NS.client, attributes: new Map(), children })
    if (said) void this.say(said, call.by, mine ? chat : me, at)
  }

  async iq(iq: Xml): Promise<boolean> {
    if (!child(iq, NS.jingle, 'jingle')) return false
    return (await this.open()).iq(iq)
  }

  async act(action: CallAction): Promise<unknown> {
    return (await this.open()).act(action)
  }

  stop(): void {
    this.stopped = true
    this.line?.stop()
  }

  private async say(said: CallMessage, from: string, to: Address, at: Moment): Promise<void> {
    try {
      const relevant = this.line !== undefined || said.type === 'propose'
      if (relevant) await (await this.open()).received(said, from, to, at)
    } catch (error) {
      console.warn('a call does not ring', error)
    }
  }

  private open(): Promise<CallLine> {
    const { me, crypto, now, stored, tell, live } = this.deps
    const wire = this.patient()
    this.loading ??= import('../calls/line').then(({ CallLine }) => {
      this.line = new CallLine({
        ...{ me, wire, crypto, now, stored, tell },
        show: (calls) => live.change({ calls }),
        admits: (account) => this.admits(account),
        log: (to, message, by) => {
          this.log(to, message, by).catch((error: unknown) => console.debug('a call is not noted', error))
        },
        setTimeout: (run, ms) => {
          const timer = setTimeout(run, ms)
          return () => clearTimeout(timer)
        }
      })
      if (this.stopped) this.line.stop()
      return this.line
    })
    this.loading.catch(() => (this.loading = undefined))
    return this.loading
  }

  /** What is said in a call outlives an interruption: sound and pictures do not need the server. */
  private patient(): Wire {
    const { wire, live } = this.deps
    return {
      get online() {
        return wire.online
      },
      get jid() {
        return wire.jid
      },
      tell: (stanza) => wire.tell(stanza),
      send: (stanza) => whenConnected(live, () => wire.send(stanza), PATIENCE_MS),
      request: (...asked) => whenConnected(live, () => wire.request(...asked), PATIENCE_MS)
    }
  }

  private async admits(account: Address): Promise<'rings' | 'rings-unseen' | 'silent'> {
    const { db, me } = this.deps
    if (account === me || (await db.contacts.get(account))?.blocked) return 'silent'
    if (await isAccepted(db, me, account)) return 'rings'
    return (await db.fact<boolean>(STRANGERS_RING)) === true ? 'rings-unseen' : 'silent'
  }

  /** `by`: who has said it, if it was not this device. */
  private async log(to: Address, { type, id, video, reason }: CallMessage, by?: string): Promise<void> {
    const { me, now, store } = this.deps
    const stanza =
      type === 'propose'
        ? propose(to, id, video)
        : type === 'proceed'
          ? proceed(to, id, 0)
          : type === 'reject' || type === 'retract' || type === 'finish'
            ? over(type, to, id, reason ?? 'success')
            : plain('ringing', to, id)
    const made = parse(stanza.xml)
    const attributes = new Map([
      ...made.attributes,
      ...(by === undefined ? [] : [['from', by] as const, ['to', me] as const])
    ])
    const element = { ...made, attributes }
    const incoming = read(element, me, '', now())
    if (incoming) await store(incoming)
  }
}

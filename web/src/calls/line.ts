/**
 * The calls of this device in the tab that leads the connection: which ring, which tab has them, and what is sent about
 * them (XEP-0353). The session itself (XEP-0166) is in the tab that has the call; requests of the other device are
 * passed on to it, if they are from the device that takes part in that call.
 */
import type { Crypto } from '../crypto/crypto'
import type { Address, Moment } from '../local/types'
import { encrypted, envelopeOf } from '../xmpp/encrypted'
import { Refused } from '../xmpp/errors'
import { bare } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import type { Wire } from '../xmpp/wire'
import { attribute, child, el, type OutgoingXml, parse, write, type Xml } from '../xmpp/xml'
import { type CallMessage, over, plain, proceed, propose } from './messages'
import {
  UNKNOWN_CALL,
  type AdoptedCall,
  type CallAction,
  type CallEvent,
  type CallState,
  type Ending,
  type Reason,
  type Unsealed
} from './types'

/** After so many milliseconds nobody answers any more, and a proposal is too old to ring. */
export const RING_MS = 60_000
/** How many calls may be there at once: one that is heard, and others that wait. */
const MOST_CALLS = 4
/** How often an account may let this device ring in ten minutes. */
const MOST_PROPOSALS = 20
const PROPOSALS_MS = 600_000
const MOST_REMEMBERED = 200
/** Characters of a request. */
const LONGEST = 100_000
const REQUEST_MS = 20_000
/** After the server was away, the other device may come back a little later than this one. */
const BACK_MS = 15_000
const BACK_AGAIN_MS = 1000

export interface LineDeps {
  me: Address
  wire: Wire
  crypto: Crypto
  now(): Moment
  /** All ratchet steps are stored. */
  stored(): Promise<void>
  /** All tabs learn of the calls. */
  show(calls: CallState[]): void
  tell(event: CallEvent): void
  /** What a call from this account does: it rings; it rings, and the caller learns nothing of it; nothing. */
  admits(account: Address): Promise<'rings' | 'rings-unseen' | 'silent'>
  /** Notes in the conversation what this device has said about a call, or, as it has to be assumed, `by` somebody else. */
  log(to: Address, message: CallMessage, by?: string): void
  setTimeout(run: () => void, ms: number): () => void
}

interface Entry extends AdoptedCall {
  stop(): void
  /** The other device has answered a request. */
  reached?: true
}

export class CallLine {
  private readonly calls = new Map<string, Entry>()
  /** Ids of calls that are over, so that what comes late does not let them ring again. */
  private readonly over = new Set<string>()
  private readonly proposals = new Map<Address, Moment[]>()

  constructor(private readonly deps: LineDeps) {}

  // -- what others say -------------------------------------------------------------------------------------------------

  /** Handles a message, live or from the archive. `from`: the full address of its sender. */
  async received(message: CallMessage, from: string, to: Address, at: Moment): Promise<void> {
    const account = bare(from)
    if (account === this.deps.me) this.fromMyDevice(message, from, to)
    else if (message.type === 'propose') await this.proposed(message, from, at)
    else this.fromThem(message, from)
  }

  /** A proposal came back with an error. */
  bounced(id: string): void {
    const call = this.calls.get(id)
    if (call?.outgoing && call.phase !== 'accepted') this.end(call, 'unreachable')
  }

  private async proposed(message: CallMessage, from: string, at: Moment): Promise<void> {
    const { id } = message
    const account = bare(from)
    const known = this.calls.has(id) || this.over.has(id)
    if (known || !message.audio || this.deps.now() - at > RING_MS || !this.mayPropose(account)) return
    const admitted = await this.deps.admits(account)
    if (admitted === 'silent' || this.calls.has(id) || this.over.has(id)) return
    const other = [...this.calls.values()].find((one) => one.with === account)
    if (!other && this.calls.size >= MOST_CALLS) {
      this.remember(id)
      if (admitted === 'rings') this.say(over('reject', account, id, 'busy'))
      return
    }
    if (other?.outgoing && other.phase !== 'accepted') {
      this.bothCall(other, message, from)
      return
    }
    if (other && !other.outgoing && other.phase === 'ringing') this.end(other, 'expired')
    const call = this.add({
      ...{ id, with: account, outgoing: false, video: message.video, phase: 'ringing', tab: '' },
      ...{ since: this.deps.now(), peer: from, device: 0 }
    })
    if (other?.phase === 'accepted') {
      this.migrate(other, call)
      return
    }
    if (admitted === 'rings') this.deps.wire.tell(plain('ringing', from, id))
    const rest = Math.max(0, at + RING_MS - this.deps.now())
    call.stop = this.deps.setTimeout(() => {
      // the caller has lost the connection, or it would have said so
      this.logged(call, 'retract', 'timeout', call.peer)
      this.end(call, 'timeout')
    }, rest)
  }

  /** Both have called: the lower id is the call, and who has the other one accepts it (XEP-0353, tie-break). */
  private bothCall(mine: Entry, { id, video }: CallMessage, from: string): void {
    const account = mine.with
    if (mine.id < id || (mine.id === id && this.deps.me < account)) {
      this.remember(id)
      this.say(over('reject', account, id, 'expired', { tieBreak: true }))
      return
    }
    this.say(over('retract', account, mine.id, 'expired', { tieBreak: true }))
    const call = this.add({
      ...{ id, with: account, outgoing: false, video, phase: 'ringing', tab: mine.tab },
      ...{ since: this.deps.now(), peer: from, device: 0 }
    })
    this.forget(mine)
    this.replace(mine, call)
  }

  /** The other side calls again while the call is there: it has changed its device, or lost the call. */
  private migrate(old: Entry, call: Entry): void {
    this.say(over('finish', old.with, old.id, 'expired', { migratedTo: call.id }))
    this.forget(old)
    this.replace(old, call)
  }

  private replace(old: Pick<Entry, 'id' | 'tab'>, call: Entry): void {
    const { tab } = old
    Object.assign(call, { tab, phase: 'accepted' })
    this.show()
    this.deps.tell({ type: 'replaced', id: old.id, tab, by: call.id, peer: call.peer })
    void this.proceed(call)
  }

  private fromThem({ type, id, reason, tieBreak, device }: CallMessage, from: string): void {
    const call = this.calls.get(id)
    if (!call || call.with !== bare(from)) {
      if (type === 'retract') this.remember(id)
      return
    }
    if (call.outgoing && call.phase !== 'accepted') {
      if (type === 'ringing') {
        call.phase = 'ringing'
        this.show()
      } else if (type === 'proceed') {
        Object.assign(call, { phase: 'accepted', peer: from, device })
        call.stop()
        this.show()
        this.deps.tell({ type: 'proceed', id, tab: call.tab, peer: from, device })
      } else if (type === 'reject') {
        // the other call of both goes on
        if (!tieBreak) this.end(call, reason === 'busy' ? 'busy' : 'decline')
        else call.stop()
      }
    } else if (!call.outgoing && call.phase === 'ringing') {
      if (type === 'retract' || type === 'finish') this.end(call, tieBreak ? 'expired' : 'cancel')
    } else if (type === 'finish' && call.peer === from) this.end(call, reason ?? 'success')
  }

  /** Another device of the user has said something about a call (XEP-0280). */
  private fromMyDevice({ type, id }: CallMessage, from: string, to: Address): void {
    if (from === this.deps.wire.jid) return
    const call = this.calls.get(id)
    if (type === 'propose' || type === 'ringing') return
    if (!call) {
      this.remember(id)
      return
    }
    const about = to === call.with || (type === 'accept' && to === this.deps.me)
    if (about && !call.outgoing && call.phase === 'ringing') this.end(call, 'elsewhere')
  }

  /** Whether the request is one of a call; others are not answered here. */
  async iq(iq: Xml): Promise<boolean> {
    const element = child(iq, NS.jingle, 'jingle')
    if (!element || attribute(iq, 'type') !== 'set') return false
    const from = attribute(iq, 'from')
    const call = this.calls.get(attribute(element, 'sid'))
    if (!call || call.phase !== 'accepted' || call.peer !== from) {
      this.answer(from, attribute(iq, 'id'), ['item-not-found', 'unknown-session'])
      return true
    }
    const xml = write(element)
    if (xml.length > LONGEST) this.answer(from, attribute(iq, 'id'), ['resource-constraint'])
    else this.deps.tell({ type: 'jingle', id: call.id, tab: call.tab, iq: attribute(iq, 'id'), xml })
    return true
  }

  // -- what the tabs want ----------------------------------------------------------------------------------------------

  async act(action: CallAction): Promise<unknown> {
    if (action.do === 'propose') {
      this.propose(action)
      return undefined
    }
    if (action.do === 'adopt') {
      if (!this.calls.has(action.call.id)) this.add(action.call).reached = true
      return undefined
    }
    const call = this.calls.get(action.id)
    if (action.do === 'accept') return call && this.accept(call, action.tab)
    if (!call) return UNKNOWN_CALL
    if (action.do === 'reject') this.reject(call, action.reason)
    else if (action.do === 'end') this.hangUp(call, action.reason)
    else if (action.do === 'send') return this.request(call, action.xml)
    else if (action.do === 'answer') this.answer(call.peer, action.iq, action.error)
    else if (action.do === 'seal') return this.seal(call, action.text)
    else if (action.do === 'unseal') return this.unseal(call, action.xml)
    else
      for (const other of this.calls.values())
        if (other.id !== call.id && other.phase === 'accepted')
          this.deps.tell({ type: 'hold', id: other.id, tab: other.tab })
    return undefined
  }

  private propose({ id, to, video, tab }: CallAction & { do: 'propose' }): void {
    const theirs = [...this.calls.values()].find(
      (one) => one.with === to && !one.outgoing && one.phase === 'ringing'
    )
    if (theirs) {
      // they were faster: calling them answers their call
      theirs.stop()
      this.remember(id)
      this.replace({ id, tab }, theirs)
      return
    }
    const since = this.deps.now()
    const call = this.add({
      ...{ id, with: to, outgoing: true, video, phase: 'proposed', tab },
      ...{ since, peer: '', device: 0 }
    })
    call.stop = this.deps.setTimeout(() => {
      this.say(over('retract', to, id, 'timeout'))
      this.logged(call, 'retract', 'timeout')
      this.end(call, 'timeout')
    }, RING_MS)
    this.say(propose(to, id, video))
    this.logged(call, 'propose')
  }

  /** Resolves to the full address of the caller's device; undefined: it rings no more, or another tab was first. */
  private async accept(call: Entry, tab: string): Promise<string | undefined> {
    if (call.outgoing || call.phase !== 'ringing') return undefined
    call.stop()
    Object.assign(call, { phase: 'accepted', tab })
    this.show()
    await this.proceed(call)
    return call.peer
  }

  private async proceed(call: Entry): Promise<void> {
    const device = await this.deps.crypto.device().catch(() => 0)
    this.deps.wire.tell(plain('accept', this.deps.me, call.id))
    this.say(proceed(call.with, call.id, device))
    this.logged(call, 'proceed')
  }

  private reject(call: Entry, reason: Reason): void {
    if (call.outgoing || call.phase !== 'ringing') return
    this.say(over('reject', call.with, call.id, reason))
    this.deps.wire.tell(over('reject', this.deps.me, call.id, reason))
    this.logged(call, 'reject', reason)
    this.end(call, reason)
  }

  private hangUp(call: Entry, reason: Reason): void {
    if (call.phase === 'accepted') {
      this.say(over('finish', call.with, call.id, reason))
      this.logged(call, 'finish', reason)
    } else if (call.outgoing) {
      this.say(over('retract', call.with, call.id, 'cancel'))
      this.logged(call, 'retract', 'cancel')
    }
    this.end(call, reason)
  }

  private async request(call: Entry, xml: string): Promise<string> {
    for (const until = this.deps.now() + BACK_MS; ;) {
      try {
        await this.deps.wire.request('set', call.peer, { xml }, REQUEST_MS)
        call.reached = true
        return ''
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        const away = error.condition === 'service-unavailable' && call.reached && this.calls.has(call.id)
        if (!away || this.deps.now() >= until) return error.condition || 'undefined-condition'
        await new Promise<void>((again) => void this.deps.setTimeout(again, BACK_AGAIN_MS))
      }
    }
  }

  private answer(to: string, id: string, error?: [string, string?]): void {
    const content =
      error &&
      el(
        'error',
        { type: error[0] === 'resource-constraint' ? 'wait' : 'cancel' },
        el(error[0], { xmlns: NS.stanzas }),
        error[1] !== undefined && el(error[1], { xmlns: NS.jingleErrors })
      )
    this.say(el('iq', { xmlns: NS.client, type: error ? 'error' : 'result', id, to }, content))
  }

  private async seal(call: Entry, text: string): Promise<string | undefined> {
    if (!call.device) return undefined
    try {
      const envelope = await this.deps.crypto.encryptFor(call.with, call.device, text)
      await this.deps.stored()
      return encrypted(envelope).xml
    } catch (error) {
      console.debug('the other device gets an unencrypted fingerprint', error)
      return undefined
    }
  }

  private async unseal(call: Entry, xml: string): Promise<Unsealed | undefined> {
    const envelope = envelopeOf(parse(`<message xmlns='${NS.client}'>${xml}</message>`))
    if (!envelope) return undefined
    const opened = await this.deps.crypto.decrypt(call.with, envelope, `call-${call.id}`)
    await this.deps.stored()
    if (opened.type !== 'text') return undefined
    if (!call.device) call.device = opened.device
    const known = await this.deps.crypto.fingerprints(call.with)
    const trust = known.find(({ device }) => device === opened.device)?.trust
    return {
      text: opened.text,
      device: opened.device,
      trust: trust === 'verified' ? 'verified' : opened.trusted ? 'trusted' : 'none'
    }
  }

  // -- the calls -------------------------------------------------------------------------------------------------------

  private add(call: AdoptedCall): Entry {
    const entry: Entry = { ...call, stop: () => undefined }
    this.calls.set(call.id, entry)
    this.show()
    return entry
  }

  private end(call: Entry, reason: Ending): void {
    if (this.calls.get(call.id) !== call) return
    this.forget(call)
    this.deps.tell({ type: 'ended', id: call.id, tab: call.tab, reason })
  }

  private forget(call: Entry): void {
    call.stop()
    this.calls.delete(call.id)
    this.remember(call.id)
    this.show()
  }

  private remember(id: string): void {
    this.over.add(id)
    if (this.over.size > MOST_REMEMBERED) for (const first of this.over) if (this.over.delete(first)) break
  }

  private show(): void {
    this.deps.show(
      [...this.calls.values()].map(({ id, with: who, outgoing, video, phase, tab, since }) => ({
        ...{ id, with: who, outgoing, video, phase, tab, since }
      }))
    )
  }

  private mayPropose(account: Address): boolean {
    const since = this.deps.now() - PROPOSALS_MS
    const recent = (this.proposals.get(account) ?? []).filter((at) => at > since)
    if (recent.length < MOST_PROPOSALS) recent.push(this.deps.now())
    else return false
    this.proposals.delete(account)
    this.proposals.set(account, recent)
    if (this.proposals.size > MOST_REMEMBERED)
      for (const first of this.proposals.keys()) if (this.proposals.delete(first)) break
    return true
  }

  /** Sends what has to arrive. It is sent again in the next session if the connection is lost. */
  private say(stanza: OutgoingXml): void {
    this.deps.wire.send(stanza).catch((error: unknown) => {
      console.debug('not said about a call', error)
    })
  }

  private logged(call: Entry, type: CallMessage['type'], reason?: Reason, by?: string): void {
    const { id, video } = call
    this.deps.log(call.with, { type, id, audio: true, video, reason, tieBreak: false, device: 0 }, by)
  }

  stop(): void {
    for (const call of this.calls.values()) call.stop()
  }
}

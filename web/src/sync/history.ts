/**
 * Carries the transfer of the history between devices of the account, as iq stanzas between their full addresses, which
 * no server stores. Their content is encrypted by `history/`.
 */
import { base64 } from '@scure/base'
import { type Bytes, fromBase64 } from '../local/bytes'
import type { Crypto, Envelope } from '../crypto/crypto'
import { HistorySender, Busy, Unknown } from '../history/sender'
import type { Merged } from '../history/merge'
import type { HistoryRecord } from '../history/records'
import { Requests } from '../history/requests'
import { Forged } from '../history/seal'
import { Interrupted, NotThere, HistoryReceiver } from '../history/receiver'
import {
  GIVING,
  PLAN,
  TAKING,
  type Decision,
  type Giving,
  type RequestAnswer,
  type Taking
} from '../history/transfer'
import type { Database } from '../local/database'
import type { KeyBuffer } from '../local/key-buffer'
import type { Address, Moment } from '../local/types'
import { Refused } from '../xmpp/errors'
import { encrypted, envelopeOf } from '../xmpp/encrypted'
import type { Wire } from '../xmpp/wire'
import { bare } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import { attribute, child, el, type OutgoingXml, textOf, type Xml } from '../xmpp/xml'

export interface DeviceHistoryDeps {
  now(): Moment
  /** What this device is called. */
  name: string
  /** Merges records into the history while nothing else is stored. */
  store(records: HistoryRecord[], also: (added: number) => Promise<void>): Promise<Merged>
}

const PART_MS = 90_000
const REQUEST_MS = 30_000
/** The maximum number of characters in a request of another device. */
const LONGEST = 1_000_000
const LONGEST_NAME = 100
/** The share of the browser's storage quota that a history may fill. */
const FULL = 0.9
const DECISIONS: Decision[] = ['asking', 'agreed', 'refused']

/** Error conditions for which asking the same device again is useless. */
const HOPELESS = new Set([
  'item-not-found',
  'service-unavailable',
  'feature-not-implemented',
  'not-authorized',
  'bad-request'
])

export class DeviceHistory {
  readonly requests: Requests
  private readonly giver: HistorySender
  private readonly taker: HistoryReceiver
  /** The full addresses of the user's other devices that are online. */
  private readonly devices = new Set<string>()
  private open = false
  private readonly met = new Set<string>()

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly crypto: Crypto,
    private readonly keyBuffer: KeyBuffer,
    private readonly wire: Wire,
    wiring: DeviceHistoryDeps
  ) {
    const there = (): string[] => this.there()
    this.giver = new HistorySender(db, me, { now: wiring.now, met: (device, key) => this.meet(device, key) })
    this.taker = new HistoryReceiver(
      db,
      me,
      { there, part: (device, transfer, sealed) => this.part(device, transfer, sealed) },
      { now: wiring.now, store: wiring.store, room, self: () => this.self() }
    )
    const peers = {
      there,
      request: (jid: string, device: number, name: string) => this.request(jid, device, name),
      decided: async (jid: string) => {
        await wire.request('set', jid, el('decided', { xmlns: NS.kithHistory }), REQUEST_MS)
      }
    }
    this.requests = new Requests(db, me, crypto, peers, wiring.name, wiring.now, () => this.taker.wake())
  }

  /** A new session: other devices' presence will arrive again. */
  fresh(): void {
    this.open = false
    this.devices.clear()
  }

  /** The session has started completely, so there is time for transfers. */
  begin(): void {
    this.open = true
    this.taker.wake()
    this.requests.seek()
  }

  stop(): void {
    this.taker.stop()
  }

  /** The presence of another device of the user. */
  presence(jid: string, available: boolean): void {
    if (jid === this.wire.jid || bare(jid) !== this.me || jid === this.me) return
    if (!available) this.devices.delete(jid)
    else this.devices.add(jid)
    if (!available || !this.open) return
    this.taker.wake(jid)
    this.requests.seek()
  }

  /** Begins a transfer that the linking device has announced, or continues a stopped one. */
  wake(): void {
    this.taker.wake()
  }

  /** Stops the transfer to this device. A finished one is not shown any more. */
  async stopTaking(): Promise<void> {
    await this.db.transaction('rw', this.db.facts, async () => {
      const taking = await this.db.fact<Taking>(TAKING)
      if (!taking) return
      const over = taking.state === 'done' || taking.state === 'stopped'
      const change = over ? { dismissed: true } : { state: 'stopped' as const }
      await this.db.setFact(TAKING, { ...taking, ...change } satisfies Taking)
    })
    this.taker.wake()
  }

  /** Stops a transfer from this device. A finished one is not shown any more. */
  async stopGiving(id: string): Promise<void> {
    await this.db.transaction('rw', this.db.facts, async () => {
      const giving = await this.db.fact<Giving>(GIVING + id)
      if (!giving) return
      const over = giving.state === 'done' || giving.state === 'stopped'
      const change = over ? { dismissed: true } : { state: 'stopped' as const }
      await this.db.setFact(GIVING + id, { ...giving, ...change } satisfies Giving)
      await this.db.facts.delete(PLAN + id)
    })
  }

  /** Answers a request of another device of the user; undefined: it is none. Rejects with Refused. */
  answer(iq: Xml): Promise<OutgoingXml | undefined> | undefined {
    const from = attribute(iq, 'from')
    const part = child(iq, NS.kithHistory, 'part')
    const request = child(iq, NS.kithHistory, 'request')
    const decided = child(iq, NS.kithHistory, 'decided')
    if (!part && !request && !decided) return undefined
    if (bare(from) !== this.me || from === this.me) return Promise.reject(new Refused('forbidden', 'auth'))
    if (part) return this.give(attribute(part, 'transfer'), textOf(part))
    if (request) return this.asked(from, request)
    this.requests.seek()
    return Promise.resolve(undefined)
  }

  private async give(transfer: string, text: string): Promise<OutgoingXml> {
    try {
      const sealed = await this.giver.answer(transfer, bytesOf(text))
      return el('part', { xmlns: NS.kithHistory, transfer }, base64.encode(sealed))
    } catch (error) {
      if (error instanceof Unknown) throw new Refused('item-not-found', 'cancel')
      if (error instanceof Busy) throw new Refused('resource-constraint', 'wait')
      if (error instanceof Forged) throw new Refused('not-authorized', 'auth')
      throw error
    }
  }

  private async asked(from: string, request: Xml): Promise<OutgoingXml> {
    const device = Number(attribute(request, 'device'))
    const name = attribute(request, 'name')
    if (!Number.isSafeInteger(device) || device <= 0) throw new Refused('bad-request', 'modify')
    const { letter, ...answer } = await this.requests.asked(from, device, name)
    await this.keyBuffer.flush()
    const head = { device: String(answer.device), name: answer.name, decision: answer.decision }
    return el('request', { xmlns: NS.kithHistory, ...head }, letter && encrypted(letter))
  }

  private there(): string[] {
    return this.open && this.wire.online ? [...this.devices] : []
  }

  private async part(device: string, transfer: string, sealed: Bytes): Promise<Bytes> {
    const question = el('part', { xmlns: NS.kithHistory, transfer }, base64.encode(sealed))
    const answer = await this.put(device, question, PART_MS)
    return bytesOf(textOf(child(answer, NS.kithHistory, 'part')))
  }

  private async request(jid: string, device: number, name: string): Promise<RequestAnswer<Envelope>> {
    const question = el('request', { xmlns: NS.kithHistory, device: String(device), name })
    const answer = child(await this.put(jid, question, REQUEST_MS), NS.kithHistory, 'request')
    const decision = DECISIONS.find((one) => one === attribute(answer, 'decision'))
    const theirs = Number(attribute(answer, 'device'))
    if (!answer || !decision || !Number.isSafeInteger(theirs)) throw new NotThere('no answer to a request')
    const letter = envelopeOf(answer)
    const theirName = attribute(answer, 'name').slice(0, LONGEST_NAME)
    return { device: theirs, name: theirName, decision, ...(letter && { letter }) }
  }

  /** Rejects with NotThere or Interrupted. */
  private async put(device: string, question: OutgoingXml, timeout: number): Promise<Xml> {
    try {
      return await this.wire.request('set', device, question, timeout)
    } catch (error) {
      if (error instanceof Refused && HOPELESS.has(error.condition)) throw new NotThere(error.condition)
      throw new Interrupted(String(error))
    }
  }

  private async self(): Promise<{ device: number; fingerprint: string }> {
    const device = await this.crypto.device()
    const known = await this.crypto.fingerprints(this.me)
    return { device, fingerprint: known.find((one) => one.own)?.fingerprint ?? '' }
  }

  /** A device that knows the secret of a transfer was linked by this one, so its key need not be compared. */
  private async meet(device: number, fingerprint: string): Promise<void> {
    const name = `${device} ${fingerprint}`
    if (!fingerprint || this.met.has(name)) return
    await this.crypto.deviceNumber(device).catch(() => undefined) // fetches its key
    if (await this.crypto.verifyDevice(device, fingerprint)) this.met.add(name)
  }
}

function bytesOf(text: string): Bytes {
  if (text.length > LONGEST) throw new NotThere('too long')
  try {
    return fromBase64(text)
  } catch {
    throw new NotThere('not base64')
  }
}

/** Whether the browser has room for more; assumed if it does not tell. */
async function room(): Promise<boolean> {
  const { usage = 0, quota = Infinity } = (await globalThis.navigator?.storage?.estimate?.()) ?? {}
  return quota <= 0 || usage < quota * FULL
}

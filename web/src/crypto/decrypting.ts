/**
 * Decrypts messages of other devices, with one ratchet step for each. What can't be read is repaired in the background;
 * what was read can be read again until it is stored.
 */
import { hex } from '@scure/base'
import type { Address, Moment } from '../local/types'
import type { Background } from './background'
import { spend, type Budget } from './budget'
import type { Envelope, KeyNetwork, Opened } from './crypto'
import { trusted, type Devices } from './devices'
import { Failures } from './failures'
import type { SessionRepair } from './session-repair'
import { MAX_ID, type Own } from './own-device'
import * as payload from './payload'
import * as ratchet from './ratchet'
import { hasOpen } from './sessions'
import { path, type Opening, type OwnKeys, type Store } from './store'
import type { Key, Encrypting } from './encrypting'

/** The number of chain steps that cost as much as one broken message. */
const WORK = 50
/** How many keys of a message with this device's id are tried: device ids are unique only within an account. */
const MAX_KEYS = 3
/** How many read messages are remembered while the program runs. */
const MAX_SEEN = 5000
/** Openings that are kept in case of a crash: how many, and how long. */
const MAX_OPENINGS = 500
const OPENINGS_KEPT = 86_400_000
/** How many answers without text are sent, which let the other side's ratchet advance. */
const ANSWERS = 20
const ANSWERS_PER_HOUR = 60
/** A chain of theirs of this length gets an answer (XEP-0384 0.8, section 5.5.3). */
const LONG = 53

export class Decrypting {
  private readonly failures: Failures
  private readonly seen = new Set<string>()
  private answers: Budget | undefined
  private opened = 0

  constructor(
    private readonly me: Address,
    private readonly store: Store,
    private readonly own: Own,
    private readonly devices: Devices,
    private readonly encrypting: Encrypting,
    private readonly repair: SessionRepair,
    private readonly network: KeyNetwork,
    private readonly background: Background,
    private readonly now: () => Moment
  ) {
    this.failures = new Failures(now)
  }

  async open(from: Address, envelope: Envelope, id: string, sent: Moment): Promise<Opened> {
    const own = await this.own.get()
    if (own === undefined) return { type: 'not-for-me' }
    if (!sane(envelope)) return { type: 'unreadable', asked: false }
    const { sender } = envelope
    const mine = envelope.keys.filter((key) => key.device === own.device).slice(0, MAX_KEYS)
    if (from === this.me && sender === own.device) return { type: 'not-for-me' }
    if (mine.length === 0) return this.passedOver(own, from, envelope, id, sent)
    // Two messages may have the same id, but differ in what they were encrypted with
    const name = openingPath(from, sender, id, envelope.iv)
    if (this.seen.has(name)) return this.reopened(from, envelope, id)
    let renew = true
    let work = 0
    for (const key of mine) {
      try {
        return await this.encrypting.step(from, sender, (hold) =>
          this.read(hold, own, from, envelope, key, id)
        )
      } catch (error) {
        if (error instanceof ratchet.Repeated) return this.reopened(from, envelope, id)
        if (error instanceof Garbled) renew = false
        else if (!(error instanceof ratchet.Unreadable)) throw error
        work += 1 + (error instanceof ratchet.Unreadable ? Math.ceil(error.work / WORK) : 0)
      }
    }
    const asked = this.failures.charge(from, work) && (await this.repair.unreadable(from, sender, id, renew))
    return { type: 'unreadable', asked }
  }

  /**
   * Handles a message without a key for this device: the device did not exist, or the sender did not know it, and is
   * asked to send it again.
   */
  private async passedOver(
    own: OwnKeys,
    from: Address,
    { sender, payload, extra }: Envelope,
    id: string,
    sent: Moment
  ): Promise<Opened> {
    if ((payload === undefined && extra === undefined) || sent < (own.made ?? Infinity))
      return { type: 'not-for-me' }
    const strange = !hasOpen(await this.store.sessions(from, sender))
    const asked = !this.failures.spent(from) && (await this.repair.unreadable(from, sender, id, strange))
    if (asked) this.failures.charge(from, 1) // a message that is not asked for costs nothing
    return { type: 'unreadable', asked }
  }

  /** Within a step of the session. Throws Repeated, Unreadable, Garbled. */
  private async read(
    hold: object,
    own: OwnKeys,
    from: Address,
    envelope: Envelope,
    key: Key,
    id: string
  ): Promise<Opened> {
    const { sender, iv } = envelope
    const before = await this.store.sessionsIn(hold, from, sender)
    const read = await ratchet.read(own, before, key, this.own.prekeys, this.failures.spent(from))
    let text: string | undefined
    let garbled = false
    if (envelope.payload !== undefined) {
      text = await payload.openText(read.data, iv, envelope.payload).catch(() => undefined)
      garbled = text === undefined
    }
    const extra =
      envelope.extra && (await payload.openExtra(read.data, envelope.extra).catch(() => undefined))
    if (text === undefined && !garbled && extra !== undefined) text = ''
    const opening = openingPath(from, sender, id, iv)
    const kept: Opening = { material: read.data, at: this.now() }
    const { used } = read
    const trust = await this.encrypting.commit(
      hold,
      from,
      sender,
      read.sessions,
      read.identity,
      text === undefined ? [] : [{ path: opening, value: kept }],
      used && (() => this.own.use(used.prekey, used.base))
    )
    if (used !== undefined) {
      this.failures.charge(from, 1) // each uses a prekey, and the bundle has to be published again
      this.background.run(this.own.refill())
      this.background.run(this.repair.renewed(from, sender))
    }
    if (garbled) throw new Garbled()
    this.remember(opening)
    const long = read.counter > 0 && read.counter % LONG === 0
    if ((used !== undefined || long) && trusted(trust)) this.background.run(this.answer(from, sender))
    if (++this.opened % MAX_OPENINGS === 0) this.background.run(this.forgetOpenings())
    if (text === undefined) return { type: 'keys', device: sender, trusted: trusted(trust) }
    const more = extra !== undefined && { extra }
    return { type: 'text', text, ...more, device: sender, trusted: trusted(trust), opening }
  }

  /** The message was decrypted before, but its text may not have been stored. Then it is decrypted again. */
  private async reopened(from: Address, envelope: Envelope, id: string): Promise<Opened> {
    const { sender, iv } = envelope
    const opening = openingPath(from, sender, id, iv)
    const kept = await this.store.get<Opening>(opening)
    if (kept === undefined) return { type: 'again' }
    const extra =
      envelope.extra && (await payload.openExtra(kept.material, envelope.extra).catch(() => undefined))
    const text = envelope.payload
      ? await payload.openText(kept.material, iv, envelope.payload).catch(() => undefined)
      : extra && ''
    if (text === undefined) return { type: 'again' }
    this.remember(opening)
    const trust = (await this.devices.trust(from, sender)) ?? 'undecided'
    const more = extra !== undefined && { extra }
    return { type: 'text', text, ...more, device: sender, trusted: trusted(trust), opening }
  }

  private remember(name: string): void {
    this.seen.add(name)
    if (this.seen.size <= MAX_SEEN) return
    const [oldest] = this.seen
    if (oldest !== undefined) this.seen.delete(oldest)
  }

  /** Confirms a new session to its creator, if they know me, so that they need not send its beginning again. */
  private async answer(to: Address, device: number): Promise<void> {
    if (to !== this.me && !(await this.store.account(to)).written) return
    const left = spend(this.answers, this.now(), ANSWERS, ANSWERS_PER_HOUR)
    const own = await this.own.get()
    if (left === undefined || own === undefined) return
    this.answers = left
    const envelope = await this.encrypting.keys(own, to, device)
    if (envelope !== undefined) await this.network.sendKeys(to, envelope)
  }

  async forgetOpenings(): Promise<void> {
    const kept = [...(await this.store.below<Opening>('opened/'))].sort(([, a], [, b]) => b.at - a.at)
    const old = kept.filter(([, { at }], place) => place >= MAX_OPENINGS || this.now() - at > OPENINGS_KEPT)
    await this.store.remove(...old.map(([rest]) => `opened/${rest}`))
  }
}

/** The key was decrypted, but does not fit the text. */
class Garbled extends Error {}

function openingPath(from: Address, device: number, id: string, iv: Uint8Array): string {
  return `${path('opened', from, device)}/${id}/${hex.encode(iv)}`
}

/** Checks what the types promise, which data from a stranger may not keep. */
function sane({ sender, iv, keys, payload: text, extra }: Envelope): boolean {
  return (
    Number.isInteger(sender) &&
    sender > 0 &&
    sender <= MAX_ID &&
    iv.length >= 12 &&
    iv.length <= 16 &&
    (text === undefined || text.length <= payload.MAX_BYTES) &&
    (extra === undefined || (extra.iv.length === 12 && extra.data.length <= payload.MAX_BYTES)) &&
    Array.isArray(keys)
  )
}

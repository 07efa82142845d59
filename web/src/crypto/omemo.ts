/** `Crypto`, kept with OMEMO 0.3. See `crypto.ts` for what it promises, docs/web.md for what was chosen and why. */
import { deviceTime } from '../local/device-time'
import type { Database } from '../local/database'
import type { Address, Moment } from '../local/types'
import { spend, type Budget } from './budget'
import { hex } from '@scure/base'
import type { Bytes } from '../local/bytes'
import {
  NobodyCanRead,
  type Crypto,
  type CryptoEvent,
  type Envelope,
  type Fingerprint,
  type KeyNetwork,
  type Opened
} from './crypto'
import { Devices, fingerprint, trusted } from './devices'
import { Healing } from './healing'
import { inTurn } from './locks'
import { MOST_ID, Own } from './own'
import * as payload from './payload'
import { prepare } from './primitives'
import * as ratchet from './ratchet'
import * as safety from './safety'
import { Store, path, type Opening, type OwnKeys } from './store'
import { Talk, type Key } from './talk'

/** Work in vain for one sender: about as many broken messages at once, and so many more in an hour. */
const FAILURES = 100
const FAILURES_PER_HOUR = 600
/** Steps of a chain that cost as much as one broken message. */
const WORK = 50
/** Keys of one message that are looked at for this device: ids of devices are unique for each account only. */
const MOST_KEYS = 3
const MOST_SENDERS = 1000
/** Messages whose reading is remembered while this runs. */
const MOST_SEEN = 5000
/** Openings kept for after a crash: how many, and how long. */
const MOST_OPENINGS = 500
const OPENINGS_KEPT = 86_400_000
/** Answers without a text, which let the other side's ratchet move on. */
const ANSWERS = 20
const ANSWERS_PER_HOUR = 60
/** A chain of theirs that is this long gets an answer (XEP-0384 0.8, section 5.5.3). */
const LONG = 53

const MOST_DIGESTS = 16

export interface OmemoOptions {
  /** The clock: milliseconds since 1970. */
  now?: () => Moment
}

prepare()

export class Omemo implements Crypto {
  private readonly store: Store
  private readonly own: Own
  private readonly devices: Devices
  private readonly talk: Talk
  private readonly healing: Healing
  private readonly now: () => Moment
  private readonly listeners = new Set<(event: CryptoEvent) => void>()
  private readonly failures = new Map<Address, Budget>()
  private readonly seen = new Set<string>()
  private readonly background = new Set<Promise<unknown>>()
  private answers: Budget | undefined
  private opened = 0
  private readonly digests = new Map<string, Promise<Bytes>>()

  constructor(
    db: Database,
    private readonly me: Address,
    private readonly network: KeyNetwork,
    options: OmemoOptions = {}
  ) {
    this.now = options.now ?? deviceTime
    const tell = (event: CryptoEvent): void => this.listeners.forEach((listener) => listener(event))
    this.store = new Store(db)
    this.own = new Own(this.store, me, network, this.now)
    this.devices = new Devices(this.store, me, network, this.now)
    this.talk = new Talk(this.store, this.devices, network, tell, this.now)
    this.healing = new Healing(this.store, this.own, this.devices, this.talk, network, this.now)
  }

  async online(): Promise<void> {
    this.talk.fresh()
    await this.own.publish()
    await this.forgetOpenings()
    await this.healing.goOn()
  }

  async devicesChanged(account: Address, ids: number[]): Promise<void> {
    const own = await this.own.get()
    const before = await this.store.account(account)
    const listed =
      account === this.me && own !== undefined && !ids.includes(own.device) ? [...ids, own.device] : ids
    await this.devices.heard(account, listed)
    if (account === this.me && own !== undefined) await this.own.list(own, ids)
    // who was verified is watched, and so are my own: a new key is told of before the next message
    if ((before.strict || account === this.me) && own !== undefined) this.inBackground(this.learn(account))
  }

  async encrypt(to: Address, text: string): Promise<Envelope> {
    const own = await this.mine()
    const theirs = await this.devices.active(to)
    const others = to === this.me ? theirs : await this.devices.active(this.me)
    const all: [Address, number][] = others.filter((id) => id !== own.device).map((id) => [this.me, id])
    if (to !== this.me) all.unshift(...theirs.map((id): [Address, number] => [to, id]))
    const envelope = await this.talk.text(own, all, text, to)
    if (!(await this.store.account(to)).written) await this.store.change(to, { written: true })
    this.letIn(to) // whoever is written to knows that I am here
    return envelope
  }

  async encryptFor(to: Address, device: number, text: string): Promise<Envelope> {
    const own = await this.mine()
    if (text !== '') return this.talk.text(own, [[to, device]], text, to)
    const envelope = await this.talk.keys(own, to, device)
    if (envelope === undefined) throw new NobodyCanRead(`no session with ${to}'s device ${device}`)
    return envelope
  }

  decrypt(from: Address, envelope: Envelope, messageId: string, sent = -Infinity): Promise<Opened> {
    return inTurn(`${this.store.db.name} from ${from}`, () => this.open(from, envelope, messageId, sent))
  }

  private async open(from: Address, envelope: Envelope, id: string, sent: Moment): Promise<Opened> {
    const own = await this.own.get()
    if (own === undefined) return { type: 'not-for-me' }
    if (!sane(envelope)) return { type: 'unreadable', asked: false }
    const { sender } = envelope
    const mine = envelope.keys.filter((key) => key.device === own.device).slice(0, MOST_KEYS)
    if (from === this.me && sender === own.device) return { type: 'not-for-me' }
    if (mine.length === 0) return this.passedOver(own, from, envelope, id, sent)
    // Two messages may have the same id; what they were encrypted with differs
    const name = openingPath(from, sender, id, envelope.iv)
    if (this.seen.has(name)) return this.reopened(from, envelope, id)
    let renew = true
    let work = 0
    for (const key of mine) {
      try {
        return await this.talk.step(from, sender, (hold) => this.read(hold, own, from, envelope, key, id))
      } catch (error) {
        if (error instanceof ratchet.Repeated) return this.reopened(from, envelope, id)
        if (error instanceof Garbled) renew = false
        else if (!(error instanceof ratchet.Unreadable)) throw error
        work += 1 + (error instanceof ratchet.Unreadable ? Math.ceil(error.work / WORK) : 0)
      }
    }
    const asked = this.charge(from, work) && (await this.healing.unreadable(from, sender, id, renew))
    return { type: 'unreadable', asked }
  }

  askAgain(from: Address, device: number, messageId: string): Promise<boolean> {
    return this.healing.unreadable(from, device, messageId, false)
  }

  letIn(account?: Address): void {
    this.inBackground(account === undefined ? this.healing.goOn() : this.healing.letIn(account))
  }

  /** Not for this device: it was not there yet, or its sender had not heard of it, and is asked then. */
  private async passedOver(
    own: OwnKeys,
    from: Address,
    { sender, payload }: Envelope,
    id: string,
    sent: Moment
  ): Promise<Opened> {
    if (payload === undefined || sent < (own.made ?? Infinity)) return { type: 'not-for-me' }
    const strange = !ratchet.hasOpen(await this.store.sessions(from, sender))
    const asked = !this.spent(from) && (await this.healing.unreadable(from, sender, id, strange))
    if (asked) this.charge(from, 1) // what is not asked for has cost nothing, however much of it there is
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
    const read = await ratchet.read(own, before, key, this.own.prekeys, this.spent(from))
    let text: string | undefined
    let garbled = false
    if (envelope.payload !== undefined) {
      text = await payload.openText(read.data, iv, envelope.payload).catch(() => undefined)
      garbled = text === undefined
    }
    const opening = openingPath(from, sender, id, iv)
    const kept: Opening = { material: read.data, at: this.now() }
    const { used } = read
    const trust = await this.talk.commit(
      hold,
      from,
      sender,
      read.sessions,
      read.identity,
      text === undefined ? [] : [{ path: opening, value: kept }],
      used && (() => this.own.use(used.prekey, used.base))
    )
    if (used !== undefined) {
      this.charge(from, 1) // each takes a prekey, and the bundle is published anew
      this.inBackground(this.own.refill())
      this.inBackground(this.healing.renewed(from, sender))
    }
    if (garbled) throw new Garbled()
    this.remember(opening)
    const long = read.counter > 0 && read.counter % LONG === 0
    if ((used !== undefined || long) && trusted(trust)) this.inBackground(this.answer(from, sender))
    if (++this.opened % MOST_OPENINGS === 0) this.inBackground(this.forgetOpenings())
    if (text === undefined) return { type: 'keys', device: sender, trusted: trusted(trust) }
    return { type: 'text', text, device: sender, trusted: trusted(trust), opening }
  }

  /** The ratchet has moved on, but perhaps the text could not be stored, or the program ended before. Then once more. */
  private async reopened(from: Address, envelope: Envelope, id: string): Promise<Opened> {
    const { sender, iv } = envelope
    const opening = openingPath(from, sender, id, iv)
    const kept = await this.store.get<Opening>(opening)
    if (kept === undefined || envelope.payload === undefined) return { type: 'again' }
    const text = await payload.openText(kept.material, iv, envelope.payload).catch(() => undefined)
    if (text === undefined) return { type: 'again' }
    this.remember(opening)
    const trust = (await this.devices.trust(from, sender)) ?? 'undecided'
    return { type: 'text', text, device: sender, trusted: trusted(trust), opening }
  }

  async fingerprints(account: Address): Promise<Fingerprint[]> {
    await this.learn(account).catch(() => undefined) // offline: as it was
    const own = await this.own.get()
    const known = (await this.devices.all(account)).map(
      ({ device, fingerprint, trust, active }): Fingerprint => ({
        account,
        device,
        fingerprint,
        trust,
        active
      })
    )
    if (account !== this.me || own === undefined) return known
    const this_: Fingerprint = {
      account,
      device: own.device,
      fingerprint: fingerprint(new Uint8Array(own.identity.pubKey)),
      trust: 'verified',
      active: true,
      own: true
    }
    return [this_, ...known]
  }

  async safetyNumber(account: Address): Promise<string> {
    const { mine, theirs } = await this.sides(account)
    return safety.digits(mine, theirs)
  }

  async safetyCode(account: Address): Promise<string> {
    const { mine, theirs } = await this.sides(account)
    return safety.code(mine, theirs)
  }

  async compareCode(account: Address, scanned: string): Promise<boolean> {
    if (!safety.isCode(scanned)) return false
    const { mine, theirs, devices } = await this.sides(account)
    if (!safety.fits(mine, theirs, scanned)) return false
    for (const device of devices) await this.devices.decide(account, device, 'verified')
    return true
  }

  async setTrust(
    account: Address,
    device: number,
    trust: 'verified' | 'first-use' | 'distrusted'
  ): Promise<void> {
    await this.devices.decide(account, device, trust)
  }

  async deviceNumber(device: number): Promise<{ digits: string; fingerprint: string }> {
    const own = await this.mine()
    await this.learn(this.me).catch(() => undefined) // offline: as it was
    const identity = await this.devices.identity(this.me, device)
    if (identity === undefined || device === own.device) throw new RangeError(`no known device ${device}`)
    const mine = await this.digest(this.me, [new Uint8Array(own.identity.pubKey)])
    const digits = safety.digits(mine, await this.digest(this.me, [identity]))
    return { digits, fingerprint: fingerprint(identity) }
  }

  verifyDevice(device: number, key: string): Promise<boolean> {
    return this.devices.verify(device, key)
  }

  async encryptVerified(device: number, key: string, text: string): Promise<Envelope> {
    const may = (trust: Fingerprint['trust'], identity: Bytes): boolean =>
      trust === 'verified' && fingerprint(identity) === key
    return this.talk.text(await this.mine(), [[this.me, device]], text, this.me, may)
  }

  async device(): Promise<number> {
    return (await this.mine()).device
  }

  onEvent(listener: (event: CryptoEvent) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Until nothing is under way in the background. */
  async idle(): Promise<void> {
    do {
      await Promise.all(this.background)
      await this.healing.idle()
    } while (this.background.size > 0)
  }

  private async mine(): Promise<OwnKeys> {
    return (await this.own.get()) ?? (await this.own.publish())
  }

  /** Asks for the keys of devices that are there and were never met. Rejects without connection. */
  private async learn(account: Address): Promise<void> {
    const own = await this.own.get()
    for (const device of await this.devices.active(account)) {
      if (account === this.me && device === own?.device) continue
      if ((await this.devices.identity(account, device)) !== undefined || own === undefined) continue
      await this.talk.renew(own, account, device)
    }
  }

  private async sides(account: Address): Promise<Sides> {
    const own = await this.mine()
    const offline = (): undefined => undefined
    await Promise.all([this.learn(account).catch(offline), this.learn(this.me).catch(offline)])
    const here = async (whose: Address): Promise<Awaited<ReturnType<Devices['all']>>> =>
      (await this.devices.all(whose)).filter(({ active }) => active)
    const [others, theirs] = [await here(this.me), await here(account)]
    if (theirs.length === 0) throw new NobodyCanRead(`${account} has no device`)
    const keys = [new Uint8Array(own.identity.pubKey), ...others.map(({ identity }) => identity)]
    const theirKeys = theirs.map(({ identity }) => identity)
    return {
      mine: await this.digest(this.me, keys),
      theirs: await this.digest(account, theirKeys),
      devices: theirs.filter(({ trust }) => trust !== 'distrusted').map(({ device }) => device)
    }
  }

  /** It takes a quarter of a second: the last ones are remembered. */
  private digest(account: Address, keys: Bytes[]): Promise<Bytes> {
    const name = [account, ...keys.map(fingerprint).sort()].join(' ')
    const known = this.digests.get(name) ?? safety.digest(account, keys)
    if (this.digests.size >= MOST_DIGESTS) this.digests.clear()
    this.digests.set(name, known)
    return known
  }

  /** Whether the sender has used up what may be done for them in vain. */
  private spent(from: Address): boolean {
    return spend(this.failures.get(from), this.now(), FAILURES, FAILURES_PER_HOUR) === undefined
  }

  /** Work for this sender that came to nothing, or that a stranger can ask for. False: it was too much before. */
  private charge(from: Address, work: number): boolean {
    const before = this.failures.get(from)
    const now = this.now()
    const left = spend(before, now, FAILURES, FAILURES_PER_HOUR, work)
    const nothing = { left: 0, at: now }
    const some = spend(before, now, FAILURES, FAILURES_PER_HOUR)
    if (this.failures.size >= MOST_SENDERS && before === undefined) {
      const [oldest] = this.failures.keys()
      if (oldest !== undefined) this.failures.delete(oldest)
    }
    if (left !== undefined) this.failures.set(from, left)
    else if (some !== undefined) this.failures.set(from, nothing)
    return some !== undefined
  }

  private remember(name: string): void {
    this.seen.add(name)
    if (this.seen.size <= MOST_SEEN) return
    const [oldest] = this.seen
    if (oldest !== undefined) this.seen.delete(oldest)
  }

  /** Who has made a session hears that it stands, if they know me: then they need not send its beginning again. */
  private async answer(to: Address, device: number): Promise<void> {
    if (to !== this.me && !(await this.store.account(to)).written) return
    const left = spend(this.answers, this.now(), ANSWERS, ANSWERS_PER_HOUR)
    const own = await this.own.get()
    if (left === undefined || own === undefined) return
    this.answers = left
    const envelope = await this.talk.keys(own, to, device)
    if (envelope !== undefined) await this.network.sendKeys(to, envelope)
  }

  private async forgetOpenings(): Promise<void> {
    const kept = [...(await this.store.below<Opening>('opened/'))].sort(([, a], [, b]) => b.at - a.at)
    const old = kept.filter(([, { at }], place) => place >= MOST_OPENINGS || this.now() - at > OPENINGS_KEPT)
    await this.store.remove(...old.map(([rest]) => `opened/${rest}`))
  }

  /** Its failure is nobody's: it is done again at the next login. */
  private inBackground(work: Promise<unknown>): void {
    const done = work
      .catch(() => undefined)
      .finally(() => {
        this.background.delete(done)
      })
    this.background.add(done)
  }
}

/** Digests of both, and the devices whose keys are in theirs and that nobody distrusts. */
interface Sides {
  mine: Bytes
  theirs: Bytes
  devices: number[]
}

/** The key was read, but the text does not fit it. */
class Garbled extends Error {}

function openingPath(from: Address, device: number, id: string, iv: Uint8Array): string {
  return `${path('opened', from, device)}/${id}/${hex.encode(iv)}`
}

/** What the types promise, which a stranger does not. */
function sane({ sender, iv, keys, payload: text }: Envelope): boolean {
  return (
    Number.isInteger(sender) &&
    sender > 0 &&
    sender <= MOST_ID &&
    iv.length >= 12 &&
    iv.length <= 16 &&
    (text === undefined || text.length <= payload.MOST) &&
    Array.isArray(keys)
  )
}

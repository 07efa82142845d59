/** Encrypts for other devices: creates sessions, and takes one ratchet step at a time. */
import type { Address, Moment } from '../local/types'
import type { Bytes } from '../local/bytes'
import {
  NobodyCanRead,
  type Bundle,
  type BundleSource,
  type CryptoEvent,
  type Envelope,
  type KeyNetwork
} from './crypto'
import { trusted, type Devices, type Trust } from './devices'
import { exclusively } from './locks'
import { sealText } from './payload'
import * as ratchet from './ratchet'
import { hasOpen, type Sessions } from './sessions'
import { path, type OwnKeys, type Row, type Store } from './store'

/** How long a device that had no usable bundle is not asked for one again, in milliseconds. */
const NO_BUNDLE = 300_000
const PARALLEL = 8
/** How many bundles are fetched in one request, where that is possible. */
const TOGETHER = 50

/** For how many devices the storage is read at once. A lock that is kept for long would keep other tabs waiting. */
const BATCH = 100

/** How often fetching a device's bundle may fail before a message is sent without that device. */
const OFTEN = 3

interface Failure {
  account: Address
  reason: unknown
  often: number
}

export type Key = Envelope['keys'][number]
/** Whether a device with this key and trust may read something. */
type May = (trust: Trust, identity: Bytes) => boolean

export class Encrypting {
  private readonly without = new Map<string, Moment>()
  private readonly failed = new Map<string, number>()

  constructor(
    private readonly store: Store,
    private readonly devices: Devices,
    private readonly network: KeyNetwork,
    private readonly tell: (event: CryptoEvent) => void,
    private readonly now: () => Moment
  ) {}

  /** A new connection: earlier failures may have been caused by the old one, and are forgotten. */
  fresh(): void {
    this.failed.clear()
    this.without.clear()
  }

  /** Runs one step at a time for each device, in all tabs. */
  step<T>(account: Address, device: number, work: (hold: object) => Promise<T>): Promise<T> {
    return exclusively(this.store.db.name, path('session', account, device), this, work)
  }

  /**
   * Encrypts for all of these devices that may read it. Throws NobodyCanRead if none of them is of an account that it is
   * meant for (`by`); rejects if some could not be reached because of the connection. `alone`: it is for nobody else.
   */
  async text(
    own: OwnKeys,
    to: [Address, number][],
    text: string,
    by: readonly Address[],
    {
      may = trusted,
      extra,
      bundles,
      alone = false
    }: { may?: May; extra?: string | undefined; bundles?: BundleSource; alone?: boolean } = {}
  ): Promise<Envelope> {
    const sealed = await sealText(text, extra)
    const { iv, material, payload } = sealed
    const keys: Key[] = []
    let reached = alone
    const write = async (devices: [Address, number][]): Promise<[Address, number][]> => {
      const strangers: [Address, number][] = []
      for (const [at, [account, device]] of devices.entries()) {
        if (at % BATCH === 0) await this.fetch(devices.slice(at, at + BATCH))
        const key = await this.key(own, account, device, material, may)
        if (key === undefined) strangers.push([account, device])
        if (key === undefined || key === 'untrusted') continue
        keys.push(key)
        reached ||= by.includes(account)
      }
      return strangers
    }
    const strangers = await write(to)
    const failures = await this.meet(own, strangers, bundles)
    if (failures.some(({ often }) => often < OFTEN)) throw failures[0]?.reason
    await write(strangers)
    if (!reached && failures.some(({ account }) => by.includes(account))) throw failures[0]?.reason
    if (!reached) throw new NobodyCanRead(`${by.join(', ')} has no device that may read it`)
    return { sender: own.device, iv, keys, payload, ...(sealed.extra && { extra: sealed.extra }) }
  }

  /**
   * Encrypts keys without a text for one device; `undefined`: there is no session with it. Distrusted devices get
   * nothing.
   */
  async keys(own: OwnKeys, account: Address, device: number): Promise<Envelope | undefined> {
    const failures = await this.meet(own, [[account, device]])
    if (failures.length > 0) throw failures[0]?.reason
    const { iv, material } = await sealText('')
    const key = await this.key(own, account, device, material, (trust) => trust !== 'distrusted')
    return typeof key === 'object' ? { sender: own.device, iv, keys: [key] } : undefined
  }

  /** Creates a new session besides the existing ones. Rejects without a connection; false: there is no bundle. */
  async renew(own: OwnKeys, account: Address, device: number): Promise<boolean> {
    const bundle = await this.network.bundle(account, device)
    return bundle !== undefined && (await this.begin(own, account, device, bundle))
  }

  /** Creates the missing sessions. Returns those for which the network failed. */
  private async meet(own: OwnKeys, to: [Address, number][], bundles?: BundleSource): Promise<Failure[]> {
    const strangers: [Address, number][] = []
    for (const [account, device] of to) {
      if (await this.wants(account, device)) strangers.push([account, device])
    }
    const failures: Failure[] = []
    const size = bundles ? TOGETHER : PARALLEL
    for (let at = 0; at < strangers.length; at += size) {
      const some = strangers.slice(at, at + size)
      const fetched = bundles?.(some)
      const part = some.map(async ([account, device], place) => {
        const name = `${account} ${device}`
        try {
          const bundle = fetched ? (await fetched)[place] : await this.network.bundle(account, device)
          this.failed.delete(name)
          if (bundle === undefined || !(await this.begin(own, account, device, bundle))) this.lacks(name)
        } catch (reason) {
          const often = (this.failed.get(name) ?? 0) + 1
          this.failed.set(name, often)
          failures.push({ account, reason, often })
        }
      })
      await Promise.all(part)
    }
    return failures
  }

  private async wants(account: Address, device: number): Promise<boolean> {
    const since = this.without.get(`${account} ${device}`)
    if (since !== undefined && Math.abs(this.now() - since) < NO_BUNDLE) return false
    return !hasOpen(await this.store.sessions(account, device))
  }

  private lacks(name: string): void {
    if (this.without.size > 1000) this.without.clear()
    this.without.set(name, this.now())
  }

  private begin(own: OwnKeys, account: Address, device: number, bundle: Bundle): Promise<boolean> {
    return this.step(account, device, async (hold) => {
      let sessions
      try {
        sessions = await ratchet.begin(own, bundle, await this.store.sessionsIn(hold, account, device))
      } catch {
        return false // not signed by its own key, or no keys at all
      }
      await this.commit(hold, account, device, sessions, new Uint8Array(bundle.identity))
      return true
    })
  }

  /**
   * Within a step: stores what it has produced, all or nothing. `rows`: related rows. Returns the trust in the other
   * device.
   */
  async commit(
    hold: object,
    account: Address,
    device: number,
    sessions: Sessions,
    identity: Bytes,
    rows: Row[] = [],
    also?: () => Promise<void>
  ): Promise<Trust> {
    const all = [{ path: path('session', account, device), value: sessions }, ...rows]
    const known = await this.devices.known(account, device, identity)
    if (known !== undefined && also === undefined) {
      await this.store.putInStep(hold, all)
      return known
    }
    const { trust, event } = await this.store.together(async () => {
      await this.store.putInStep(hold, all)
      await also?.()
      return this.devices.note(account, device, identity)
    })
    if (event !== undefined) this.tell(event)
    return trust
  }

  /** Reads together what is needed for many devices, since reading costs more than a step. */
  private async fetch(devices: readonly [Address, number][]): Promise<void> {
    if (devices.length < 2) return
    await this.devices.fetch(devices)
    await exclusively(this.store.db.name, 'many', this, (hold) => this.store.fetchSessions(hold, devices))
  }

  /** `undefined`: there is no session. */
  private key(
    own: OwnKeys,
    account: Address,
    device: number,
    material: Bytes,
    may: May
  ): Promise<Key | 'untrusted' | undefined> {
    return this.step(account, device, async (hold) => {
      const before = await this.store.sessionsIn(hold, account, device)
      const trust = await this.devices.trust(account, device)
      if (trust === undefined || !hasOpen(before)) return undefined
      const identity = await this.devices.identity(account, device)
      if (identity === undefined || !may(trust, identity)) return 'untrusted'
      const { sessions, data, prekey } = await ratchet.seal(own, before, material)
      await this.store.putInStep(hold, [{ path: path('session', account, device), value: sessions }])
      return { device, prekey, data }
    })
  }
}

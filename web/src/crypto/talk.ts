/** Writing to others' devices: makes sessions, and takes one step of a ratchet at a time. */
import type { Address, Moment } from '../local/types'
import type { Bytes } from './bytes'
import { NobodyCanRead, type Bundle, type CryptoEvent, type Envelope, type KeyNetwork } from './crypto'
import { trusted, type Devices, type Trust } from './devices'
import { exclusively } from './locks'
import { sealText } from './payload'
import * as ratchet from './ratchet'
import { path, type OwnKeys, type Store } from './store'

/** How long a device that had no usable bundle is not asked for one. */
const NO_BUNDLE = 300_000
const AT_ONCE = 8

/** So often may a device's bundle fail to come before a message goes without it. */
const OFTEN = 3

interface Failure {
  account: Address
  reason: unknown
  often: number
}

export type Key = Envelope['keys'][number]

export class Talk {
  private readonly without = new Map<string, Moment>()
  private readonly failed = new Map<string, number>()

  constructor(
    private readonly store: Store,
    private readonly devices: Devices,
    private readonly network: KeyNetwork,
    private readonly tell: (event: CryptoEvent) => void,
    private readonly now: () => Moment
  ) {}

  /** A new connection: what failed before may have been the old one's fault. */
  fresh(): void {
    this.failed.clear()
    this.without.clear()
  }

  /** One step at a time with each device, in all tabs. */
  step<T>(account: Address, device: number, work: () => Promise<T>): Promise<T> {
    return exclusively(this.store.db.name, path('session', account, device), work)
  }

  /** For all of these devices that may read it. Throws NobodyCanRead if there is none of `by` among them,
   * rejects if the connection is why it would not be for all. */
  async text(own: OwnKeys, to: [Address, number][], text: string, by: Address): Promise<Envelope> {
    const failures = await this.meet(own, to)
    if (failures.some(({ often }) => often < OFTEN)) throw failures[0]?.reason
    const { iv, material, payload } = await sealText(text)
    const keys: Key[] = []
    let reached = false
    for (const [account, device] of to) {
      const key = await this.key(own, account, device, material, trusted)
      if (key === undefined) continue
      keys.push(key)
      reached ||= account === by
    }
    if (!reached && failures.some(({ account }) => account === by)) throw failures[0]?.reason
    if (!reached) throw new NobodyCanRead(`${by} has no device that may read it`)
    return { sender: own.device, iv, keys, payload }
  }

  /** Keys without a text for one device; `undefined`: there is no session with it. `distrusted` gets nothing. */
  async keys(own: OwnKeys, account: Address, device: number): Promise<Envelope | undefined> {
    const failures = await this.meet(own, [[account, device]])
    if (failures.length > 0) throw failures[0]?.reason
    const { iv, material } = await sealText('')
    const key = await this.key(own, account, device, material, (trust) => trust !== 'distrusted')
    return key === undefined ? undefined : { sender: own.device, iv, keys: [key] }
  }

  /** Makes a new session beside those that there are. Rejects without connection; false: there is no bundle. */
  async renew(own: OwnKeys, account: Address, device: number): Promise<boolean> {
    const bundle = await this.network.bundle(account, device)
    return bundle !== undefined && (await this.begin(own, account, device, bundle))
  }

  /** Makes the sessions that are missing. Returns where the network did not help. */
  private async meet(own: OwnKeys, to: [Address, number][]): Promise<Failure[]> {
    const strangers: [Address, number][] = []
    for (const [account, device] of to) {
      if (await this.wants(account, device)) strangers.push([account, device])
    }
    const failures: Failure[] = []
    for (let at = 0; at < strangers.length; at += AT_ONCE) {
      const part = strangers.slice(at, at + AT_ONCE).map(async ([account, device]) => {
        const name = `${account} ${device}`
        try {
          const bundle = await this.network.bundle(account, device)
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
    return !ratchet.hasOpen(await this.store.sessions(account, device))
  }

  private lacks(name: string): void {
    if (this.without.size > 1000) this.without.clear()
    this.without.set(name, this.now())
  }

  private begin(own: OwnKeys, account: Address, device: number, bundle: Bundle): Promise<boolean> {
    return this.step(account, device, async () => {
      let sessions
      try {
        sessions = await ratchet.begin(own, bundle, await this.store.sessions(account, device))
      } catch {
        return false // not signed by its own key, or no keys at all
      }
      await this.commit(account, device, sessions, new Uint8Array(bundle.identity))
      return true
    })
  }

  /** Within a step: keeps what it has made. Returns the trust in who is at the other end. */
  async commit(
    account: Address,
    device: number,
    sessions: ratchet.Sessions,
    identity: Bytes,
    also: () => Promise<void> = () => Promise.resolve()
  ): Promise<Trust> {
    const { trust, event } = await this.store.together(async () => {
      await this.store.put(path('session', account, device), sessions)
      await also()
      return this.devices.note(account, device, identity)
    })
    if (event !== undefined) this.tell(event)
    return trust
  }

  private key(
    own: OwnKeys,
    account: Address,
    device: number,
    material: Bytes,
    may: (trust: Trust) => boolean
  ): Promise<Key | undefined> {
    return this.step(account, device, async () => {
      const trust = await this.devices.trust(account, device)
      const before = await this.store.sessions(account, device)
      if (trust === undefined || !may(trust) || !ratchet.hasOpen(before)) return undefined
      const { sessions, data, prekey } = await ratchet.seal(own, before, material)
      await this.store.put(path('session', account, device), sessions)
      return { device, prekey, data }
    })
  }
}

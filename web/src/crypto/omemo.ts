/** Implements `Crypto` with OMEMO 0.3. See `crypto.ts` for the interface, and docs/web.md for the design. */
import { deviceTime } from '../local/device-time'
import type { Database } from '../local/database'
import type { Address, Moment } from '../local/types'
import type { Bytes } from '../local/bytes'
import {
  NobodyCanRead,
  type Crypto,
  type CryptoEvent,
  type BundleSource,
  type Envelope,
  type Fingerprint,
  type KeyNetwork,
  type Opened
} from './crypto'
import { Background } from './background'
import { Comparing } from './comparing'
import { Decrypting } from './decrypting'
import { Devices, fingerprint } from './devices'
import { SessionRepair } from './session-repair'
import { inTurn } from './locks'
import { Own } from './own-device'
import { prepare } from './primitives'
import { Store } from './store'
import { Encrypting } from './encrypting'

export interface OmemoOptions {
  /** The clock: milliseconds since 1970. */
  now?: () => Moment
}

prepare()

export class Omemo implements Crypto {
  private readonly store: Store
  private readonly own: Own
  private readonly devices: Devices
  private readonly encrypting: Encrypting
  private readonly repair: SessionRepair
  private readonly now: () => Moment
  private readonly listeners = new Set<(event: CryptoEvent) => void>()
  private readonly background = new Background()
  private readonly decrypting: Decrypting
  private readonly comparing: Comparing

  constructor(
    db: Database,
    private readonly me: Address,
    network: KeyNetwork,
    options: OmemoOptions = {}
  ) {
    this.now = options.now ?? deviceTime
    const tell = (event: CryptoEvent): void => this.listeners.forEach((listener) => listener(event))
    this.store = new Store(db)
    this.own = new Own(this.store, me, network, this.now)
    this.devices = new Devices(this.store, me, network, this.now)
    this.encrypting = new Encrypting(this.store, this.devices, network, tell, this.now)
    this.repair = new SessionRepair(this.store, this.own, this.devices, this.encrypting, network, this.now)
    const { store, own, devices, encrypting, repair, background } = this
    this.decrypting = new Decrypting(
      me,
      store,
      own,
      devices,
      encrypting,
      repair,
      network,
      background,
      this.now
    )
    this.comparing = new Comparing(me, own, devices, encrypting)
  }

  async online(): Promise<void> {
    this.encrypting.fresh()
    await this.own.publish()
    await this.decrypting.forgetOpenings()
    await this.repair.goOn()
  }

  async devicesChanged(account: Address, ids: number[]): Promise<void> {
    const own = await this.own.get()
    const before = await this.store.account(account)
    const listed =
      account === this.me && own !== undefined && !ids.includes(own.device) ? [...ids, own.device] : ids
    await this.devices.heard(account, listed)
    if (account === this.me && own !== undefined) await this.own.list(own, ids)
    // verified people and my own account are checked, so that a new key is reported before the next message
    if ((before.strict || account === this.me) && own !== undefined)
      this.background.run(this.comparing.learn(account))
  }

  async encrypt(readers: readonly Address[], text: string, extra?: string): Promise<Envelope> {
    const own = await this.own.keys()
    const all: [Address, number][] = []
    for (const account of new Set([...readers, this.me]))
      for (const id of await this.devices.active(account))
        if (account !== this.me || id !== own.device) all.push([account, id])
    const envelope = await this.encrypting.text(own, all, text, readers, { extra })
    for (const account of readers) {
      if (!(await this.store.account(account)).written) await this.store.change(account, { written: true })
      this.retryRequests(account) // a person I write to may know that I am online
    }
    return envelope
  }

  async encryptForAll(
    devices: ReadonlyMap<Address, number[]>,
    text: string,
    extra: string | undefined,
    bundles: BundleSource
  ): Promise<Envelope> {
    const own = await this.own.keys()
    const all: [Address, number][] = []
    const others = new Set<Address>()
    await this.store.fetch([...devices.keys()].map((account) => `account/${account}`))
    for (const [account, ids] of devices) {
      const listed =
        account === this.me ? await this.devices.active(account) : await this.devices.listed(account, ids)
      for (const id of listed) if (account !== this.me || id !== own.device) all.push([account, id])
      if (account !== this.me) others.add(account)
    }
    return this.encrypting.text(own, all, text, [...others], { extra, bundles, alone: !others.size })
  }

  async encryptFor(to: Address, device: number, text: string, extra?: string): Promise<Envelope> {
    const own = await this.own.keys()
    if (text !== '' || extra !== undefined)
      return this.encrypting.text(own, [[to, device]], text, [to], { extra })
    const envelope = await this.encrypting.keys(own, to, device)
    if (envelope === undefined) throw new NobodyCanRead(`no session with ${to}'s device ${device}`)
    return envelope
  }

  decrypt(from: Address, envelope: Envelope, messageId: string, sent = -Infinity): Promise<Opened> {
    return inTurn(`${this.store.db.name} from ${from}`, () =>
      this.decrypting.open(from, envelope, messageId, sent)
    )
  }

  askAgain(from: Address, device: number, messageId: string): Promise<boolean> {
    return this.repair.unreadable(from, device, messageId, false)
  }

  retryRequests(account?: Address): void {
    this.background.run(account === undefined ? this.repair.goOn() : this.repair.retryRequests(account))
  }

  published(account: Address): Promise<'now' | 'before' | 'never'> {
    return this.devices.published(account)
  }

  fingerprints(account: Address): Promise<Fingerprint[]> {
    return this.comparing.fingerprints(account)
  }

  safetyNumber(account: Address): Promise<string> {
    return this.comparing.safetyNumber(account)
  }

  safetyCode(account: Address): Promise<string> {
    return this.comparing.safetyCode(account)
  }

  compareCode(account: Address, scanned: string): Promise<boolean> {
    return this.comparing.compareCode(account, scanned)
  }

  deviceNumber(device: number): Promise<{ digits: string; fingerprint: string }> {
    return this.comparing.deviceNumber(device)
  }

  async setTrust(
    account: Address,
    device: number,
    trust: 'verified' | 'first-use' | 'distrusted'
  ): Promise<void> {
    await this.devices.decide(account, device, trust)
  }

  verifyDevice(device: number, key: string): Promise<boolean> {
    return this.devices.verify(device, key)
  }

  async encryptVerified(device: number, key: string, text: string): Promise<Envelope> {
    const may = (trust: Fingerprint['trust'], identity: Bytes): boolean =>
      trust === 'verified' && fingerprint(identity) === key
    return this.encrypting.text(await this.own.keys(), [[this.me, device]], text, [this.me], { may })
  }

  async device(): Promise<number> {
    return (await this.own.keys()).device
  }

  onEvent(listener: (event: CryptoEvent) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Resolves when nothing is in progress in the background. */
  async idle(): Promise<void> {
    do {
      await this.background.idle()
      await this.repair.idle()
    } while (this.background.busy)
  }
}

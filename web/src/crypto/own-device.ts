/** The keys of this device: created once, published, and renewed. */
import { KeyHelper } from '@privacyresearch/libsignal-protocol-typescript/lib/key-helper'
import type { Address, Moment } from '../local/types'
import { spend, type Budget } from './budget'
import { equalBytes, randomBytes } from '@noble/ciphers/utils.js'
import type { Bundle, KeyNetwork } from './crypto'
import { exclusively } from './locks'
import type { Prekeys } from './ratchet'
import type { OwnKeys, Prekey, SignedPrekey, Store } from './store'

const DAY = 86_400_000
/** How long a signed prekey is published, and how long it is kept to read first messages that were sent with it. */
const SIGNED_FOR = 7 * DAY
const SIGNED_KEPT = 30 * DAY
/**
 * How many prekeys are published: enough that if a dozen people start a session at the same time, two of them seldom
 * choose the same one.
 */
export const PREKEYS = 200
/** How long a used prekey is kept: two people who wrote while the user was offline may have chosen the same one. */
const USED_KEPT = DAY
const MAX_BASES = 32
/** How often per hour this device adds itself to the device list again if another device has removed it. */
const LISTED_PER_HOUR = 10
export const MAX_ID = 2 ** 31 - 1

export class Own {
  private known: OwnKeys | undefined
  private listed: Budget | undefined
  private refilling = false

  constructor(
    private readonly store: Store,
    private readonly me: Address,
    private readonly network: KeyNetwork,
    private readonly now: () => Moment
  ) {}

  /** The keys; undefined if they do not exist yet. */
  async get(): Promise<OwnKeys | undefined> {
    this.known ??= await this.store.get<OwnKeys>('own')
    return this.known
  }

  /** The keys of this device, which are created and published if necessary. */
  async keys(): Promise<OwnKeys> {
    return (await this.get()) ?? (await this.publish())
  }

  /** Creates and renews keys if necessary, and publishes what is missing on the server. */
  async publish(): Promise<OwnKeys> {
    return this.alone(async () => {
      const ids = await this.network.devices(this.me)
      const own = (await this.get()) ?? (await this.make(ids))
      await this.renew(own)
      const bundle = await this.bundle(own)
      const there = await this.network.bundle(this.me, own.device)
      if (there === undefined || !alike(bundle, there)) await this.network.publishBundle(own.device, bundle)
      if (!ids.includes(own.device)) await this.network.publishDevices([...ids, own.device])
      return own
    })
  }

  /** Replaces used prekeys and publishes them. Calls while one is waiting to start are covered by that one. */
  async refill(): Promise<void> {
    if (this.refilling) return
    this.refilling = true
    await this.alone(async () => {
      this.refilling = false
      const own = await this.get()
      if (own === undefined) return
      await this.renew(own)
      await this.network.publishBundle(own.device, await this.bundle(own))
    })
  }

  /** Adds this device to the published list if it is missing. Other devices are kept. */
  async list(own: OwnKeys, ids: number[]): Promise<void> {
    if (ids.includes(own.device)) return
    const left = spend(this.listed, this.now(), LISTED_PER_HOUR, LISTED_PER_HOUR)
    if (left === undefined) return
    this.listed = left
    await this.network.publishDevices([...ids, own.device])
  }

  /** For decrypting first messages. */
  readonly prekeys: Prekeys = {
    one: (id) => this.store.get<Prekey>(`prekey/${id}`),
    signed: async (id) => (await this.store.get<SignedPrekey>(`signed/${id}`))?.pair
  }

  /** In the transaction that stores the session made with it. */
  async use(id: number, base: string): Promise<void> {
    const prekey = await this.store.get<Prekey>(`prekey/${id}`)
    if (prekey === undefined) return
    const bases = [...prekey.bases, base]
    if (bases.length > MAX_BASES) await this.store.remove(`prekey/${id}`)
    else await this.store.put(`prekey/${id}`, { ...prekey, bases, used: prekey.used ?? this.now() })
  }

  /** Runs under a separate lock, since it waits for the network. */
  private alone<T>(work: () => Promise<T>): Promise<T> {
    return exclusively(`${this.store.db.name} own`, 'own', this, work)
  }

  private async make(taken: number[]): Promise<OwnKeys> {
    let device = 0
    while (device === 0 || taken.includes(device)) {
      device = new DataView(randomBytes(4).buffer).getUint32(0) & MAX_ID
    }
    const identity = await KeyHelper.generateIdentityKeyPair()
    const made = { device, identity, nextPrekey: 1, nextSigned: 1, made: this.now(), elders: taken }
    // without Web Locks, another tab may have done it in the meantime
    this.known = await this.store.together(async () => {
      const there = await this.store.get<OwnKeys>('own')
      if (there === undefined) await this.store.put('own', made)
      return there ?? made
    })
    return this.known
  }

  private async renew(own: OwnKeys): Promise<void> {
    const now = this.now()
    const signed = [...(await this.store.below<SignedPrekey>('signed/')).values()]
    const prekeys = [...(await this.store.below<Prekey>('prekey/')).values()]
    const current = signed.find((key) => key.until === undefined)
    const fresh = current !== undefined && Math.abs(now - current.since) < SIGNED_FOR
    const missing = PREKEYS - prekeys.filter((key) => key.used === undefined).length
    const stored = (await this.store.get<OwnKeys>('own')) ?? own
    const next = { ...stored, made: stored.made ?? now }
    const made: [string, SignedPrekey | Prekey][] = []
    if (!fresh) {
      const id = next.nextSigned++
      const { keyPair, signature } = await KeyHelper.generateSignedPreKey(own.identity, id)
      made.push([`signed/${id}`, { id, pair: keyPair, signature: new Uint8Array(signature), since: now }])
      if (current !== undefined) made.push([`signed/${current.id}`, { ...current, until: now }])
    }
    for (let count = 0; count < missing; count++) {
      const id = next.nextPrekey++
      made.push([`prekey/${id}`, { id, pair: (await KeyHelper.generatePreKey(id)).keyPair, bases: [] }])
    }
    const old = [
      ...signed.filter((key) => now - (key.until ?? now) > SIGNED_KEPT).map((key) => `signed/${key.id}`),
      ...prekeys.filter((key) => now - (key.used ?? now) > USED_KEPT).map((key) => `prekey/${key.id}`)
    ]
    await this.store.together(async () => {
      await this.store.put('own', next)
      for (const [path, value] of made) await this.store.put(path, value)
      await this.store.remove(...old)
    })
    this.known = next
  }

  private async bundle(own: OwnKeys): Promise<Bundle> {
    const signed = [...(await this.store.below<SignedPrekey>('signed/')).values()]
    const prekeys = [...(await this.store.below<Prekey>('prekey/')).values()]
    const current = signed.find((key) => key.until === undefined)
    if (current === undefined) throw new Error('no signed prekey')
    return {
      identity: new Uint8Array(own.identity.pubKey),
      signedPrekey: {
        id: current.id,
        key: new Uint8Array(current.pair.pubKey),
        signature: current.signature
      },
      prekeys: prekeys
        .filter((key) => key.used === undefined)
        .map(({ id, pair }) => ({ id, key: new Uint8Array(pair.pubKey) }))
    }
  }
}

function alike(a: Bundle, b: Bundle): boolean {
  const keys = new Map(b.prekeys.map(({ id, key }) => [id, key]))
  return (
    equalBytes(a.identity, b.identity) &&
    a.signedPrekey.id === b.signedPrekey.id &&
    equalBytes(a.signedPrekey.key, b.signedPrekey.key) &&
    equalBytes(a.signedPrekey.signature, b.signedPrekey.signature) &&
    a.prekeys.length === b.prekeys.length &&
    a.prekeys.every(({ id, key }) => equalBytes(keys.get(id) ?? new Uint8Array(), key))
  )
}

/** The known devices of the user and of others: their ids, identity keys, and the trust in these. */
import type { Address, Moment } from '../local/types'
import { equalBytes } from '@noble/ciphers/utils.js'
import { hex } from '@scure/base'
import type { Bytes } from '../local/bytes'
import type { CryptoEvent, Fingerprint, KeyNetwork } from './crypto'
import { MAX_ID } from './own-device'
import { isPublic } from './ratchet'
import { path, type Account, type KnownDevice, type KnownKey, type OwnKeys, type Store } from './store'

/** How long a device list is used, in milliseconds: the server announces changes only of contacts' lists. */
const FRESH = 60_000
/** How long an empty device list is used, in milliseconds. It is shorter, since messages might be sent unencrypted. */
const FRESH_EMPTY = 5000
/** The maximum number of devices of an account to encrypt for. */
const MAX_ACTIVE = 64
/** The maximum number of keys of an account that are remembered. */
const MAX_KNOWN = 128

export type Trust = Fingerprint['trust']

export function trusted(trust: Trust): boolean {
  return trust === 'first-use' || trust === 'verified'
}

/** The fingerprint of an identity key, as others show it: without the type byte. */
export function fingerprint(identity: Uint8Array): string {
  return hex.encode(identity.subarray(1))
}

export class Devices {
  constructor(
    private readonly store: Store,
    private readonly me: Address,
    private readonly network: KeyNetwork,
    private readonly now: () => Moment
  ) {}

  /** Whether a recent device list shows that an account does not have this device. */
  async lacks(account: Address, device: number): Promise<boolean> {
    const { ids, at } = await this.store.account(account)
    return Math.abs(this.now() - at) < FRESH && !ids.includes(device)
  }

  /** The published device ids. Rejects if none are known and they can't be requested now. */
  async active(account: Address): Promise<number[]> {
    const { ids, at } = await this.store.account(account)
    const fresh = ids.length ? FRESH : FRESH_EMPTY
    if (at !== 0 && Math.abs(this.now() - at) < fresh) return ids
    try {
      return await this.learned(account, await this.network.devices(account))
    } catch (error) {
      if (!ids.length) throw error
      return ids
    }
  }

  /** A device list that the account's server has just told, perhaps with many others. Returns what is used of it. */
  async listed(account: Address, list: number[]): Promise<number[]> {
    const { ids, at } = await this.store.account(account)
    const same = at !== 0 && ids.length === list.length && list.every((id) => ids.includes(id))
    return same ? ids : this.learned(account, list)
  }

  async heard(account: Address, ids: number[]): Promise<void> {
    await this.learned(account, ids)
  }

  /** As `Crypto.published`. */
  async published(account: Address): Promise<'now' | 'before' | 'never'> {
    if ((await this.active(account)).length) return 'now'
    const { listed } = await this.store.account(account)
    return listed || (await this.store.below(`device/${account}/`)).size ? 'before' : 'never'
  }

  private async learned(account: Address, list: number[]): Promise<number[]> {
    const ids = sound(list)
    await this.store.change(account, { ids, at: this.now(), ...(ids.length && { listed: true }) })
    return ids
  }

  /** Reads together what is needed to encrypt for many devices. */
  async fetch(devices: readonly [Address, number][]): Promise<void> {
    await this.store.fetch(devices.map(([account, device]) => path('device', account, device)))
    const keys: string[] = []
    for (const [account, device] of devices) {
      const identity = await this.identity(account, device)
      if (identity) keys.push(keyPath(account, identity))
    }
    await this.store.fetch(keys)
  }

  /** The trust in the latest key of a device; undefined if none is known. */
  async trust(account: Address, device: number): Promise<Trust | undefined> {
    const known = await this.store.get<KnownDevice>(path('device', account, device))
    return known === undefined ? undefined : (await this.key(account, known.identity))?.trust
  }

  /** The trust in a key, if it is the latest one of the device; otherwise undefined. */
  async known(account: Address, device: number, identity: Bytes): Promise<Trust | undefined> {
    const before = await this.identity(account, device)
    if (before === undefined || !equalBytes(before, identity)) return undefined
    return (await this.key(account, identity))?.trust
  }

  async identity(account: Address, device: number): Promise<Bytes | undefined> {
    return (await this.store.get<KnownDevice>(path('device', account, device)))?.identity
  }

  /**
   * Notes that a device has this key (33 bytes), from its bundle or a message that could be read. In a transaction.
   * `event`: what to report afterwards.
   */
  async note(
    account: Address,
    device: number,
    identity: Bytes
  ): Promise<{ trust: Trust; event?: CryptoEvent }> {
    if (!isPublic(identity)) throw new TypeError('not an identity key')
    const before = await this.store.get<KnownDevice>(path('device', account, device))
    const known = await this.key(account, identity)
    if (before !== undefined && known !== undefined && equalBytes(before.identity, identity))
      return { trust: known.trust }
    const { strict, ids } = await this.store.account(account)
    const others = await this.store.below<KnownDevice>(`device/${account}/`)
    others.delete(String(device))
    const since = this.now()
    const trust = known?.trust ?? (strict ? 'undecided' : 'first-use')
    await this.store.put(path('device', account, device), { identity: new Uint8Array(identity), since })
    await this.store.put(keyPath(account, identity), { trust, since: known?.since ?? since })
    await this.forget(account, others, ids)
    if (account === this.me) {
      const elder = (await this.store.get<OwnKeys>('own'))?.elders?.includes(device) && before === undefined
      return known !== undefined || elder ? { trust } : { trust, event: { type: 'new-device' } }
    }
    const replaces = others.size > 0 && ![...others.keys()].some((id) => ids.includes(Number(id)))
    const tell = trust !== 'verified' && (before !== undefined || replaces || (strict && known === undefined))
    return tell ? { trust, event: { type: 'keys-changed', account, verified: strict } } : { trust }
  }

  /** Sets the trust in the present key of a device. */
  async decide(
    account: Address,
    device: number,
    trust: 'verified' | 'first-use' | 'distrusted'
  ): Promise<void> {
    await this.store.together(async () => {
      const known = await this.store.get<KnownDevice>(path('device', account, device))
      if (known === undefined) throw new RangeError(`${account} has no known device ${device}`)
      const since = (await this.key(account, known.identity))?.since ?? this.now()
      await this.store.put(keyPath(account, known.identity), { trust, since })
      if (trust === 'verified') await this.store.change(account, { strict: true })
    })
  }

  /**
   * Marks this key of one of my devices as verified, unless the device has another key. Other devices need not be
   * verified because of that.
   */
  async verify(device: number, key: string): Promise<boolean> {
    return this.store.together(async () => {
      const known = await this.store.get<KnownDevice>(path('device', this.me, device))
      if (known === undefined || fingerprint(known.identity) !== key) return false
      const since = (await this.key(this.me, known.identity))?.since ?? this.now()
      await this.store.put(keyPath(this.me, known.identity), { trust: 'verified', since })
      return true
    })
  }

  /** All known devices; those that still exist come first. */
  async all(account: Address): Promise<(Fingerprint & { identity: Bytes })[]> {
    const { ids } = await this.store.account(account)
    const found = []
    for (const [id, { identity }] of await this.store.below<KnownDevice>(`device/${account}/`)) {
      found.push({
        account,
        device: Number(id),
        fingerprint: fingerprint(identity),
        trust: (await this.key(account, identity))?.trust ?? ('undecided' as const),
        active: ids.includes(Number(id)),
        identity
      })
    }
    return found.sort(
      (a, b) => Number(b.active) - Number(a.active) || (a.fingerprint < b.fingerprint ? -1 : 1)
    )
  }

  private key(account: Address, identity: Uint8Array): Promise<KnownKey | undefined> {
    return this.store.get<KnownKey>(keyPath(account, identity))
  }

  /** Forgets the oldest keys that nobody has decided about, since anybody may show any number of keys. */
  private async forget(account: Address, others: Map<string, KnownDevice>, ids: number[]): Promise<void> {
    const gone = [...others]
      .filter(([id]) => !ids.includes(Number(id)))
      .sort(([, a], [, b]) => a.since - b.since)
      .slice(0, Math.max(0, others.size - MAX_KNOWN))
    for (const [id] of gone) {
      const device = Number(id)
      await this.store.remove(
        path('device', account, device),
        path('session', account, device),
        path('healing', account, device)
      )
    }
    const keys = await this.store.below<KnownKey>(`trust/${account}/`)
    if (keys.size <= 2 * MAX_KNOWN) return
    const used = new Set([...others.values()].map(({ identity }) => fingerprint(identity)))
    const old = [...keys]
      .filter(([text, { trust }]) => !used.has(text) && trust !== 'verified' && trust !== 'distrusted')
      .sort(([, a], [, b]) => a.since - b.since)
      .slice(0, keys.size - 2 * MAX_KNOWN)
    await this.store.remove(...old.map(([text]) => `trust/${account}/${text}`))
  }
}

function keyPath(account: Address, identity: Uint8Array): string {
  return `trust/${account}/${fingerprint(identity)}`
}

/** Valid ids, each once, and not too many. */
function sound(ids: number[]): Account['ids'] {
  const good = ids.filter((id) => Number.isInteger(id) && id > 0 && id <= MAX_ID)
  return [...new Set(good)].slice(0, MAX_ACTIVE)
}

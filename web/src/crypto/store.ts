/** What is kept in the `keys` table, by path. Whatever belongs together is written in one transaction. */
import type { Database } from '../local/database'
import type { Address, Moment } from '../local/types'
import type { Budget } from './budget'
import type { Bytes } from './bytes'
import type { Fingerprint } from './crypto'
import type { KeyPair, Sessions } from './ratchet'

/** This device. Ids of prekeys count up and are never used twice. */
export interface OwnKeys {
  device: number
  identity: KeyPair
  nextPrekey: number
  nextSigned: number
}

export interface Prekey {
  id: number
  pair: KeyPair
  /** When a first message came that named it; it is not published any more, and goes after a while. */
  used?: Moment
  /** Their keys that sessions were made with by it: each only once. */
  bases: string[]
}

export interface SignedPrekey {
  id: number
  pair: KeyPair
  signature: Bytes
  since: Moment
  /** When a newer one took its place. */
  until?: Moment
}

export interface Account {
  /** As published last. */
  ids: number[]
  /** When that was heard. */
  at: Moment
  /** A key of this account was verified: new ones are not trusted until they are. */
  strict: boolean
  /** I have written to them: they may know that I am here. */
  written: boolean
}

export interface KnownDevice {
  identity: Bytes
  since: Moment
}

export interface KnownKey {
  trust: Fingerprint['trust']
  since: Moment
}

export interface Healing {
  /** Ids of messages that the device is to be asked for. */
  wanted: string[]
  /** What it was asked for lately: it may not have been able to read that. */
  asked?: { id: string; at: Moment; times: number }[]
  /** The session is to be made anew. */
  renew: boolean
  renewed?: Moment
  renewals?: Budget
  asks?: Budget
}

/** What opens a message that was read, until it is certain that it was stored: for after a crash. */
export interface Opening {
  material: Bytes
  at: Moment
}

export class Store {
  constructor(readonly db: Database) {}

  /** All of it, or nothing. In `work`, nothing but this store may be waited for. */
  together<T>(work: () => Promise<T>): Promise<T> {
    return this.db.transaction('rw', this.db.keys, work)
  }

  async get<T>(path: string): Promise<T | undefined> {
    return (await this.db.keys.get(path))?.value as T | undefined
  }

  async put(path: string, value: unknown): Promise<void> {
    await this.db.keys.put({ path, value })
  }

  async remove(...paths: string[]): Promise<void> {
    await this.db.keys.bulkDelete(paths)
  }

  /** All below a path that ends with a slash, by the rest of theirs. */
  async below<T>(path: string): Promise<Map<string, T>> {
    const rows = await this.db.keys.where('path').startsWith(path).toArray()
    return new Map(rows.map((row) => [row.path.slice(path.length), row.value as T]))
  }

  async account(address: Address): Promise<Account> {
    const known = await this.get<Account>(`account/${address}`)
    return known ?? { ids: [], at: 0, strict: false, written: false }
  }

  async change(address: Address, change: Partial<Account>): Promise<void> {
    await this.together(async () => {
      await this.put(`account/${address}`, { ...(await this.account(address)), ...change })
    })
  }

  async sessions(address: Address, device: number): Promise<Sessions> {
    return (await this.get<Sessions>(path('session', address, device))) ?? { sessions: {}, dropped: {} }
  }

  async healing(address: Address, device: number): Promise<Healing> {
    return (await this.get<Healing>(path('healing', address, device))) ?? { wanted: [], renew: false }
  }
}

export function path(
  kind: 'session' | 'healing' | 'device' | 'opened',
  address: Address,
  device: number
): string {
  return `${kind}/${address}/${device}`
}

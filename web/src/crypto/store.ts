/** The `keys` table, by path. Rows that belong together are written in one transaction. */
import type { Database } from '../local/database'
import type { Address, Moment } from '../local/types'
import type { Budget } from './budget'
import type { Bytes } from '../local/bytes'
import type { Fingerprint } from './crypto'
import type { KeyPair, Sessions } from './sessions'

/** This device. Ids of prekeys count up and are never reused. */
export interface OwnKeys {
  device: number
  identity: KeyPair
  nextPrekey: number
  nextSigned: number
  /** When this device was created. */
  made?: Moment
  /** My devices that existed before it. */
  elders?: number[]
}

export interface Prekey {
  id: number
  pair: KeyPair
  /** When a first message used it. It is then no longer published, and is deleted after a while. */
  used?: Moment
  /** The base keys of the sessions made with it: each may be used only once. */
  bases: string[]
}

export interface SignedPrekey {
  id: number
  pair: KeyPair
  signature: Bytes
  since: Moment
  /** When a newer one replaced it. */
  until?: Moment
}

export interface Account {
  /** The device ids that were published last. */
  ids: number[]
  /** When this was learned. */
  at: Moment
  /** A key of this account was verified, so new keys are not trusted until they are verified. */
  strict: boolean
  /** I have written to them, so they may know that I am online. */
  written: boolean
  /** It has published devices, now or before. */
  listed?: true
}

export interface KnownDevice {
  identity: Bytes
  since: Moment
}

export interface KnownKey {
  trust: Fingerprint['trust']
  since: Moment
}

export interface SessionRepair {
  /** Ids of messages to ask the device for. */
  wanted: string[]
  /** Recent requests to it, which it may have been unable to read. */
  asked?: { id: string; at: Moment; times: number }[]
  /** Whether the session has to be replaced. */
  renew: boolean
  renewed?: Moment
  renewals?: Budget
  asks?: Budget
}

/** The data that can decrypt a message again until it is stored, in case of a crash. */
export interface Opening {
  material: Bytes
  at: Moment
}

export interface Row {
  path: string
  value: unknown
}

/** Data that seldom changes, and only by this program, is cached for so many milliseconds. */
const REMEMBERED = 5000
const SELDOM = /^(?:account|device|trust)\//
const MAX_REMEMBERED = 2000

export class Store {
  private readonly memory = new Map<string, { value: unknown; at: number }>()
  private hold: object | undefined
  private readonly held = new Map<string, Sessions>()

  constructor(readonly db: Database) {}

  /** Runs `work` in one transaction. It may wait for nothing but this store. */
  async together<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.db.transaction('rw', this.db.keys, work)
    } catch (error) {
      this.memory.clear()
      this.held.clear()
      throw error
    }
  }

  async get<T>(path: string): Promise<T | undefined> {
    const known = this.memory.get(path)
    if (known !== undefined && performance.now() - known.at < REMEMBERED) return known.value as T | undefined
    const value = (await this.db.keys.get(path))?.value as T | undefined
    this.remember(path, value)
    return value
  }

  /** Reads what is cached for a while, in one transaction instead of one each. */
  async fetch(paths: string[]): Promise<void> {
    const now = performance.now()
    const missing = paths.filter((path) => now - (this.memory.get(path)?.at ?? -Infinity) >= REMEMBERED / 2)
    if (!missing.length) return
    const rows = await this.db.keys.bulkGet(missing)
    for (const [at, path] of missing.entries()) {
      // what was written in the meantime is newer
      if ((this.memory.get(path)?.at ?? -Infinity) < now) this.remember(path, rows[at]?.value)
    }
  }

  /** Within a step: reads the sessions with many devices in one transaction. */
  async fetchSessions(hold: object, devices: readonly [Address, number][]): Promise<void> {
    if (this.hold !== hold) this.held.clear()
    this.hold = hold
    const paths = devices.map(([account, device]) => path('session', account, device))
    const missing = paths.filter((one) => !this.held.has(one))
    const rows = await this.db.keys.bulkGet(missing)
    for (const [at, one] of missing.entries()) {
      const value = rows[at]?.value as Sessions | undefined
      // another step may have written it in the meantime
      if (value && this.hold === hold && !this.held.has(one)) this.held.set(one, value)
    }
  }

  async put(path: string, value: unknown): Promise<void> {
    this.remember(path, value)
    await this.db.keys.put({ path, value })
  }

  async remove(...paths: string[]): Promise<void> {
    for (const path of paths) {
      this.memory.delete(path)
      this.held.delete(path)
    }
    await this.db.keys.bulkDelete(paths)
  }

  /** All rows below a path that ends with a slash, by the rest of their path. */
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

  /** As `sessions`, within a step: while the lock is held, nobody else writes them. */
  async sessionsIn(hold: object, address: Address, device: number): Promise<Sessions> {
    if (this.hold !== hold) this.held.clear()
    this.hold = hold
    return this.held.get(path('session', address, device)) ?? this.sessions(address, device)
  }

  /** Within a step: writes sessions and related rows together. */
  async putInStep(hold: object, rows: Row[]): Promise<void> {
    if (this.hold === hold) {
      for (const { path, value } of rows)
        if (path.startsWith('session/')) this.held.set(path, value as Sessions)
    }
    try {
      await this.db.keys.bulkPut(rows)
    } catch (error) {
      this.held.clear()
      throw error
    }
  }

  async repairState(address: Address, device: number): Promise<SessionRepair> {
    return (await this.get<SessionRepair>(path('healing', address, device))) ?? { wanted: [], renew: false }
  }

  private remember(path: string, value: unknown): void {
    if (!SELDOM.test(path)) return
    if (this.memory.size >= MAX_REMEMBERED) this.memory.clear()
    this.memory.set(path, { value, at: performance.now() })
  }
}

export function path(
  kind: 'session' | 'healing' | 'device' | 'opened',
  address: Address,
  device: number
): string {
  return `${kind}/${address}/${device}`
}

/**
 * Encryption without cryptography that keeps the interface honest: for the devices that are published, each message once
 * for each device, not for those that were not there, and the ratchet moves on.
 */
import {
  type Crypto,
  type CryptoEvent,
  type Envelope,
  type Fingerprint,
  type KeyNetwork,
  NobodyCanRead,
  type Opened
} from '../../src/crypto/crypto'
import type { Database } from '../../src/local/database'
import type { Address } from '../../src/local/types'

/** For tests without groups. */
export const NO_GROUPS = {
  told: async () => undefined,
  refresh: async () => undefined,
  asNow: async <T>(one: T) => one
}

let devices = 0
const enc = (text: string) => new TextEncoder().encode(text)
const dec = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

export class Sealed implements Crypto {
  /** The session with these devices is lost: their messages can't be read until they send keys anew. */
  readonly lost = new Set<number>()
  /** Devices whose key the person has compared; and what a server says for the key of a device instead of its own. */
  readonly verified = new Set<number>()
  readonly keys = new Map<number, string>()
  private readonly listeners = new Set<(event: CryptoEvent) => void>()

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly network: KeyNetwork
  ) {}

  async online(): Promise<void> {
    const id = await this.device()
    const published = await this.network.devices(this.me)
    if (!published.includes(id)) await this.network.publishDevices([...published, id])
  }

  async devicesChanged(): Promise<void> {
    // Asked for each time
  }

  async encrypt(readers: readonly Address[], text: string, extra?: string): Promise<Envelope> {
    const theirs = (await Promise.all(readers.map((one) => this.network.devices(one)))).flat()
    if (!theirs.length) throw new NobodyCanRead()
    await Promise.all(readers.map((one) => this.published(one)))
    const mine = readers.includes(this.me) ? [] : await this.network.devices(this.me)
    return { ...(await this.seal([...theirs, ...mine], text)), ...sealedExtra(extra) }
  }

  async encryptForAll(
    devices: ReadonlyMap<Address, number[]>,
    text: string,
    extra: string | undefined
  ): Promise<Envelope> {
    const others = [...devices].filter(([account]) => account !== this.me)
    if (others.length && !others.some(([, ids]) => ids.length)) throw new NobodyCanRead()
    return { ...(await this.seal([...devices.values()].flat(), text)), ...sealedExtra(extra) }
  }

  async encryptFor(_: Address, device: number, text: string, extra?: string): Promise<Envelope> {
    return { ...(await this.seal([device], text)), ...sealedExtra(extra) }
  }

  async decrypt(from: Address, envelope: Envelope, messageId: string): Promise<Opened> {
    const own = await this.device()
    const key = envelope.keys.find((one) => one.device === own)
    if (!key) return { type: 'not-for-me' }
    if (this.lost.has(envelope.sender) && envelope.payload) {
      this.lost.delete(envelope.sender)
      return { type: 'unreadable', asked: await this.askAgain(from, envelope.sender, messageId) }
    }
    const opening = `opened/${messageId}/${dec(key.data)}`
    const path = `seen/${envelope.sender}/${dec(key.data)}`
    const known = await this.db.keys.get(path)
    // Opened, but never stored
    if (known && !(await this.db.keys.get(opening))) return { type: 'again' }
    await this.db.keys.put({ path, value: true })
    if (!envelope.payload && !envelope.extra) return { type: 'keys', device: envelope.sender, trusted: true }
    await this.db.keys.put({ path: opening, value: true })
    const more = envelope.extra && { extra: dec(envelope.extra.data) }
    const text = envelope.payload ? dec(envelope.payload) : ''
    return { type: 'text', text, ...more, device: envelope.sender, trusted: true, opening }
  }

  async askAgain(from: Address, device: number, messageId: string): Promise<boolean> {
    if (!(await this.network.accepted(from))) return false
    await this.network.askAgain(from, device, messageId)
    return true
  }

  retryRequests(): void {
    // Strangers are asked by the real one alone
  }

  async published(account: Address): Promise<'now' | 'before' | 'never'> {
    const path = `listed/${account}`
    const now = (await this.network.devices(account)).length > 0
    if (now) await this.db.keys.put({ path, value: true })
    else return (await this.db.keys.get(path)) ? 'before' : 'never'
    return 'now'
  }

  async fingerprints(account: Address): Promise<Fingerprint[]> {
    return (await this.network.devices(account)).map((device) => ({
      account,
      device,
      fingerprint: this.keys.get(device) ?? String(device),
      trust: this.verified.has(device) ? 'verified' : 'first-use',
      active: true
    }))
  }

  async deviceNumber(device: number): Promise<{ digits: string; fingerprint: string }> {
    const known = await this.fingerprints(this.me)
    const key = known.find((one) => one.device === device)?.fingerprint
    if (key === undefined) throw new RangeError('no such device')
    const digits = [key, String(await this.device())].sort().join(' ')
    return { digits, fingerprint: key }
  }

  async verifyDevice(device: number, fingerprint: string): Promise<boolean> {
    if ((this.keys.get(device) ?? String(device)) !== fingerprint) return false
    this.verified.add(device)
    return true
  }

  async encryptVerified(device: number, fingerprint: string, text: string): Promise<Envelope> {
    const same = (this.keys.get(device) ?? String(device)) === fingerprint
    if (!same || !this.verified.has(device)) throw new NobodyCanRead()
    return this.seal([device], text)
  }

  async safetyNumber(): Promise<string> {
    return '0'.repeat(60)
  }

  async safetyCode(): Promise<string> {
    return ''
  }

  async compareCode(): Promise<boolean> {
    return false
  }

  async setTrust(): Promise<void> {
    // All are trusted
  }

  async device(): Promise<number> {
    const stored = await this.db.keys.get('device')
    if (stored) return stored.value as number
    devices += 1
    await this.db.keys.put({ path: 'device', value: devices })
    return devices
  }

  onEvent(listener: (event: CryptoEvent) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private async seal(all: number[], text: string): Promise<Envelope> {
    const sender = await this.device()
    const keys = all.filter((device) => device !== sender)
    const data = enc(crypto.randomUUID())
    return {
      sender,
      iv: enc('iv'),
      keys: keys.map((device) => ({ device, prekey: false, data })),
      payload: enc(text)
    }
  }
}

function sealedExtra(extra: string | undefined): Pick<Envelope, 'extra'> {
  return extra === undefined ? {} : { extra: { iv: enc('iv of extra!'), data: enc(extra) } }
}

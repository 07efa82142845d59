/** A server that carries keys and messages in memory, and devices that know no other. */
import 'fake-indexeddb/auto'
import {
  NobodyCanRead,
  type Bundle,
  type CryptoEvent,
  type Envelope,
  type KeyNetwork
} from '../../src/crypto/crypto'
import type { Opened } from '../../src/crypto/crypto'
import { Omemo } from '../../src/crypto/omemo'
import { Database } from '../../src/local/database'

export interface Letter {
  from: string
  to: string
  id: string
  envelope: Envelope
  /** When it was sent to all. */
  at?: number
  /** Asks for this message again. */
  resend?: string
  /** Is this message, again. */
  resent?: string
}

let databases = 0

export class World {
  readonly lists = new Map<string, number[]>()
  readonly bundles = new Map<string, Bundle>()
  readonly all: Device[] = []
  /** Those that hear of no list. */
  readonly deaf = new Set<Device>()
  now = Date.UTC(2026, 0, 1)
  /** How often bundles were asked for. */
  asked = 0

  async device(account: string): Promise<Device> {
    const device = new Device(this, account, new Database(`test ${++databases}`))
    await device.crypto.online()
    device.id = await device.crypto.device()
    this.all.push(device)
    await this.tell(account)
    return device
  }

  /** Those that listen hear of the list. */
  async tell(account: string): Promise<void> {
    for (const device of this.all) {
      if (!this.deaf.has(device)) await device.crypto.devicesChanged(account, this.lists.get(account) ?? [])
    }
  }

  /** Everything that is in the boxes, and what comes of it. */
  async deliver(): Promise<void> {
    for (let round = 0; round < 20; round++) {
      for (const device of this.all) await device.crypto.idle()
      const full = this.all.filter((device) => device.box.length > 0)
      if (full.length === 0) return
      for (const device of full) await device.readAll()
    }
    throw new Error('it does not end')
  }

  async close(): Promise<void> {
    for (const device of this.all) {
      await device.crypto.idle()
      await device.db.delete()
    }
  }
}

export class Device implements KeyNetwork {
  id = 0
  crypto: Omemo
  offline = false
  readonly box: Letter[] = []
  /** What was read: by id, each time that a text came of it. */
  readonly texts = new Map<string, string[]>()
  /** When: after a restart a text may come once more, as it may not have been stored. What was stored is known by its id. */
  readonly results: Opened[] = []
  /** Ids with what they were encrypted with. */
  private readonly opened = new Set<string>()
  readonly events: CryptoEvent[] = []
  readonly sent = new Map<string, { to: string; text: string }>()
  /** Who may not know that this device is there. */
  readonly strangers = new Set<string>()
  asks = 0
  keysSent = 0
  private count = 0

  constructor(
    readonly world: World,
    readonly account: string,
    readonly db: Database
  ) {
    this.crypto = this.start()
  }

  /** The program begins anew. */
  start(): Omemo {
    this.crypto = new Omemo(this.db, this.account, this, { now: () => this.world.now })
    this.crypto.onEvent((event) => this.events.push(event))
    return this.crypto
  }

  async write(to: string, text: string, id = `${this.account}/${this.id}/${++this.count}`): Promise<Letter> {
    const envelope = await this.crypto.encrypt([to], text)
    const letter = { from: this.account, to, id, envelope, at: this.world.now }
    this.sent.set(id, { to, text })
    this.post(letter)
    return letter
  }

  /** Into the box of each device of both, but this one's. */
  post(letter: Letter): void {
    for (const device of this.world.all) {
      if (device === this || (device.account !== letter.to && device.account !== this.account)) continue
      device.box.push(structuredClone(letter))
    }
  }

  async readAll(): Promise<void> {
    for (const letter of this.box.splice(0)) await this.read(letter)
  }

  async read(letter: Letter): Promise<Opened> {
    const { from, envelope, at } = letter
    const opened = await this.crypto.decrypt(from, envelope, letter.resent ?? letter.id, at)
    this.results.push(opened)
    if (opened.type === 'text') {
      await this.db.keys.delete(opened.opening) // it is stored, then
      const id = letter.resent ?? letter.id
      // What was asked for twice comes twice, encrypted anew: as in `sync/`, it is known by its id then
      const made = `${id} ${envelope.iv.join()}`
      if (this.texts.has(id) && !this.opened.has(made)) return opened
      this.opened.add(made)
      this.texts.set(id, [...(this.texts.get(id) ?? []), opened.text])
    }
    if (opened.type === 'keys' && letter.resend !== undefined) {
      await this.again(letter.from, opened.device, letter.resend)
    }
    return opened
  }

  /** As `sync/` does it: the text once more, for one device alone. */
  private async again(to: string, device: number, id: string): Promise<void> {
    const sent = this.sent.get(id)
    if (sent === undefined || (sent.to !== to && to !== this.account)) return
    try {
      const envelope = await this.crypto.encryptFor(to, device, sent.text)
      this.post({ from: this.account, to, id: `${id} again ${++this.count}`, envelope, resent: id })
    } catch (error) {
      if (!(error instanceof NobodyCanRead)) throw error
    }
  }

  read_(id: string): string[] {
    return this.texts.get(id) ?? []
  }

  private there<T>(answer: () => T): Promise<T> {
    return this.offline ? Promise.reject(new Error('offline')) : Promise.resolve(answer())
  }

  devices(account: string): Promise<number[]> {
    return this.there(() => [...(this.world.lists.get(account) ?? [])])
  }

  bundle(account: string, device: number): Promise<Bundle | undefined> {
    return this.there(() => {
      this.world.asked++
      const bundle = this.world.bundles.get(`${account} ${device}`)
      return bundle && structuredClone(bundle)
    })
  }

  publishDevices(ids: number[]): Promise<void> {
    return this.there(() => void this.world.lists.set(this.account, [...ids]))
  }

  publishBundle(device: number, bundle: Bundle): Promise<void> {
    return this.there(() => void this.world.bundles.set(`${this.account} ${device}`, structuredClone(bundle)))
  }

  sendKeys(to: string, envelope: Envelope): Promise<void> {
    return this.there(() => {
      this.keysSent++
      this.post({ from: this.account, to, id: `keys ${this.id} ${this.keysSent}`, envelope })
    })
  }

  accepted(account: string): Promise<boolean> {
    return Promise.resolve(!this.strangers.has(account))
  }

  async askAgain(to: string, device: number, messageId: string): Promise<void> {
    if (this.offline) throw new Error('offline')
    this.asks++
    const envelope = await this.crypto.encryptFor(to, device, '')
    this.post({ from: this.account, to, id: `ask ${this.id} ${this.asks}`, envelope, resend: messageId })
  }
}

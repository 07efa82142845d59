/** Devices of people on the server in memory. */
import 'fake-indexeddb/auto'
import { afterEach } from 'vitest'
import { Database } from '../../src/local/database'
import { ofChat } from '../../src/local/queries'
import type { Message } from '../../src/local/types'
import type { App, Live } from '../../src/sync/app'
import { openApp, type Deps } from '../../src/sync/open'
import { Sealed } from './sealed'
import { World } from './world'

let count = 0

export class Device {
  app!: App
  live!: Live
  sealed!: Sealed
  /** Of the page that is open; those before it stay without a network. */
  plug = { in: true }
  awayAfter: number | undefined
  /** What it gets from outside, beyond the network. */
  deps: Partial<Deps> = {}
  readonly storage = new MemoryStorage()
  readonly agent = `agent-${++count}`
  readonly db = new Database(`device ${count}`)

  constructor(
    readonly world: World,
    readonly address: string
  ) {}

  static async of(world: World, name: string): Promise<Device> {
    const device = new Device(world, `${name}@example.org`)
    world.tokens.set(device.agent, 'token')
    await device.open()
    await device.online()
    return device
  }

  async open(): Promise<void> {
    const { address, agent, world } = this
    const plug = (this.plug = { in: true })
    const credential = { address, agent, token: 'token', mechanism: 'HT-SHA-256-NONE', device: agent }
    const app = (this.app = await openApp(this.db, credential, {
      url: 'ws://server',
      crypto: async (db, me, network) => (this.sealed = new Sealed(db, me, network)),
      WebSocket: world.socketOf(plug),
      storage: this.storage as unknown as Storage,
      ...(this.awayAfter !== undefined && { awayAfter: this.awayAfter }),
      ...this.deps,
      locks: undefined,
      channel: undefined
    }))
    app.live.subscribe((live) => {
      // That of a page that was closed changes once more when it notices that its connection is lost
      if (this.app === app) this.live = live
    })
  }

  /** The network goes. */
  cut(): void {
    this.plug.in = false
    for (const socket of this.world.sockets) {
      if (socket.plug === this.plug) socket.cut()
    }
  }

  /** It is there again, and the person looks. */
  join(): void {
    this.plug.in = true
    this.app.visible(true)
  }

  /** Waits until it is online and nothing waits. */
  async online(): Promise<void> {
    await until(async () => {
      if (this.live.connection === 'offline') this.app.visible(true)
      return this.live.connection === 'online' && (await this.db.outgoing.count()) === 0
    })
  }

  async with(other: Device): Promise<Message[]> {
    return ofChat(this.db, other.address).toArray()
  }

  async texts(other: Device): Promise<string[]> {
    return (await this.with(other)).map((message) => message.text)
  }

  /** The page ends and is opened anew, on what is stored. */
  async restart(): Promise<void> {
    this.cut()
    this.db.close()
    await this.open()
  }

  /** The device is turned off: nothing is said to anybody. */
  async close(): Promise<void> {
    this.cut()
    await this.db.delete()
  }
}

/** A browser's `localStorage`, which can be full. */
export class MemoryStorage {
  full = false
  getItem(key: string): string | null {
    return (this as Record<string, unknown>)[key] as string
  }
  setItem(key: string, value: string): void {
    if (this.full) throw new DOMException('full', 'QuotaExceededError')
    Object.assign(this, { [key]: value })
  }
  removeItem(key: string): void {
    Reflect.deleteProperty(this, key)
  }
}

const open = new Set<Device>()

/** A device that is online, and turned off after the test. */
export async function device(world: World, name: string): Promise<Device> {
  const made = await Device.of(world, name)
  open.add(made)
  return made
}

/** One that was made otherwise is turned off after the test, too. */
export function turnOffLater(one: Device): void {
  open.add(one)
}

/** All that are on, between two runs of one test. */
export async function turnOff(): Promise<void> {
  for (const one of open) {
    open.delete(one)
    await one.close()
  }
}

afterEach(turnOff)

export async function until(holds: () => Promise<boolean> | boolean, timeout = 40_000): Promise<void> {
  const end = Date.now() + timeout
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`never: ${holds.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Two devices of ada, and one of ben. */
export async function twoOf(world: World): Promise<[Device, Device, Device]> {
  return [await device(world, 'ada'), await device(world, 'ada'), await device(world, 'ben')]
}

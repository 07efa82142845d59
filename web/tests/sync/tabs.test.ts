import 'fake-indexeddb/auto'
import { afterEach, expect, test } from 'vitest'
import type { App, Live } from '../../src/sync/app'
import { openApp } from '../../src/sync/open'
import { Database } from '../../src/local/database'
import { Device, until } from './people'
import { Sealed } from './sealed'
import { World } from './world'

/** Web Locks of one browser, as far as they are needed. */
class Locks {
  private held: Promise<unknown> = Promise.resolve()
  readonly ends: (() => void)[] = []

  request(_: string, work: () => Promise<unknown>): Promise<unknown> {
    const died = new Promise<void>((end) => this.ends.push(end))
    const run = this.held.then(() => Promise.race([work(), died]))
    this.held = run.catch(() => undefined)
    return run
  }
}

interface Tab {
  app: App
  live: Live
  plug: { in: boolean }
  channel: BroadcastChannel
}

const opened: Tab[] = []
const devices: Device[] = []

afterEach(async () => {
  for (const one of opened.splice(0)) {
    kill(one)
    one.channel.close()
  }
  for (const device of devices.splice(0)) await device.close()
})

/** It says nothing any more, and hears nothing. */
function kill({ plug, channel }: Tab): void {
  plug.in = false
  channel.onmessage = null
  channel.postMessage = () => undefined
}

async function tab(world: World, name: string, locks: Locks): Promise<Tab> {
  const plug = { in: true }
  const db = new Database(name)
  const address = 'ada@example.org'
  const channel = new BroadcastChannel(name)
  const credential = { address, agent: name, token: 'token', mechanism: 'HT-SHA-256-NONE', device: 'x' }
  const app = await openApp(db, credential, {
    url: 'ws://server',
    crypto: async (...given) => new Sealed(...given),
    WebSocket: world.socketOf(plug),
    locks: locks as unknown as LockManager,
    channel
  })
  const made = { app, plug, channel } as Tab
  app.live.subscribe((live) => (made.live = live))
  opened.push(made)
  return made
}

test('two tabs are one device: one leads, both send, and when it dies the other goes on', async () => {
  const world = new World()
  const name = `tabs ${Date.now()}`
  world.tokens.set(name, 'token')
  const ben = await Device.of(world, 'ben')
  devices.push(ben)
  const locks = new Locks()
  const first = await tab(world, name, locks)
  await until(() => first.live.connection === 'online')
  const second = await tab(world, name, locks)
  await until(() => second.live.connection === 'online')
  expect([first.live.leads, second.live.leads]).toEqual([true, false])
  expect(world.sessions.filter(({ jid }) => jid.startsWith('ada'))).toHaveLength(1)

  await second.app.send(ben.address, 'from the second')
  await until(async () => (await ben.db.messages.count()) === 1)
  await second.app.addContact(ben.address, 'Ben')
  expect((await first.app.db.contacts.get(ben.address))?.name).toBe('Ben')
  await ben.app.send('ada@example.org', 'to both')
  await until(async () => (await second.app.db.messages.count()) === 2)

  kill(first)
  locks.ends[0]?.()
  await until(() => second.live.leads && second.live.connection === 'online')
  await second.app.send(ben.address, 'after it died')
  await until(async () => (await ben.db.messages.toArray()).some(({ text }) => text === 'after it died'))
})

test('a log-out in one tab ends the others, and nothing is left', async () => {
  const world = new World()
  const name = `tabs ${Date.now()} out`
  world.tokens.set(name, 'token')
  const locks = new Locks()
  const first = await tab(world, name, locks)
  await until(() => first.live.connection === 'online')
  const second = await tab(world, name, locks)
  await until(() => second.live.connection === 'online')
  await second.app.logOut()
  await until(() => first.live.connection === 'logged-out')
  expect(second.live.connection).toBe('logged-out')
  const left = new Database(name)
  expect(await Promise.all(left.tables.map((table) => table.count()))).toEqual(left.tables.map(() => 0))
  await left.delete()
})

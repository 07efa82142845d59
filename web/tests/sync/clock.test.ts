/** Disappearing messages go by the server's clock, on all devices at the same moment. */
import 'fake-indexeddb/auto'
import Dexie from 'dexie'
import { afterEach, expect, test } from 'vitest'
import { ServerClock } from '../../src/local/clock'
import { Database } from '../../src/local/database'
import { Device, until } from './people'
import { World } from './world'

const HOUR = 3_600_000
const open: Device[] = []

/** A device whose clock is so far ahead. */
async function device(
  world: World,
  name: string,
  ahead = 0
): Promise<{ device: Device; set(ahead: number): void }> {
  const made = new Device(world, `${name}@example.org`)
  open.push(made)
  let by = ahead
  made.deps = { now: () => Date.now() + by }
  world.tokens.set(made.agent, 'token')
  await made.open()
  await made.online()
  return { device: made, set: (ahead) => (by = ahead) }
}

/** It is what the device has last heard. */
const heard = (one: Device, ahead: number) =>
  until(async () => Math.abs(((await one.db.fact<number>('clock.ahead')) ?? 0) - ahead) < 5000)

afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

test('a device whose clock is wrong keeps messages as long as all others', async () => {
  const world = new World()
  world.time = () => Date.now()
  const { device: ada } = await device(world, 'ada', -30 * HOUR)
  const { device: ben } = await device(world, 'ben', 25 * HOUR)
  await ada.app.disappear(ben.address, 86_400)
  await ada.app.send(ben.address, 'for today')
  await until(async () => (await ben.texts(ada)).includes('for today'))
  await ada.online()
  await until(async () => (await ada.with(ben)).some(({ progress }) => progress === 'delivered'))
  const of = async (one: Device, other: Device) =>
    (await one.with(other)).find(({ text }) => text === 'for today')?.expires ?? 0
  expect(Math.abs((await of(ben, ada)) - Date.now() - 24 * HOUR)).toBeLessThan(HOUR)
  expect(Math.abs((await of(ben, ada)) - (await of(ada, ben)))).toBeLessThan(5000)
})

test('a clock that somebody sets ahead makes nothing go, and what is over by the server goes', async () => {
  const world = new World()
  let later = 0
  world.time = () => Date.now() + later
  const { device: ada } = await device(world, 'ada')
  const { device: ben, set } = await device(world, 'ben')
  await ada.app.disappear(ben.address, 86_400)
  await ada.app.send(ben.address, 'for today')
  await until(async () => (await ben.texts(ada)).includes('for today'))
  set(25 * HOUR)
  ben.app.visible(true)
  await ben.restart()
  await ben.online()
  await heard(ben, -25 * HOUR)
  expect(await ben.texts(ada)).toContain('for today')
  later = 23 * HOUR
  await ben.restart()
  await ben.online()
  await heard(ben, -2 * HOUR)
  expect(await ben.texts(ada)).toContain('for today')
  later = 25 * HOUR
  await ben.restart()
  await until(async () => !(await ben.texts(ada)).includes('for today'))
})

test('what came while a device was off is not taken for over because its clock is ahead', async () => {
  const world = new World()
  world.time = () => Date.now()
  const { device: ada } = await device(world, 'ada')
  const { device: ben } = await device(world, 'ben')
  await ada.app.disappear(ben.address, 3600)
  ben.cut()
  await ada.app.send(ben.address, 'within the hour')
  await ada.online()
  ben.deps = { now: () => Date.now() + 5 * HOUR }
  await ben.restart()
  await until(async () => (await ben.texts(ada)).includes('within the hour'))
  await ben.online()
  await heard(ben, -5 * HOUR)
  expect(await ben.texts(ada)).toContain('within the hour')
})

test('the time of what waits for a connection begins when it is sent', async () => {
  const world = new World()
  world.time = () => Date.now()
  const { device: ada } = await device(world, 'ada')
  const { device: ben } = await device(world, 'ben')
  await ada.app.disappear(ben.address, 3600)
  await ada.online()
  ada.cut()
  await ada.app.send(ben.address, 'much later')
  const [waiting] = (await ada.with(ben)).filter(({ text }) => text === 'much later')
  const wrote = Date.now() - 5 * HOUR
  await ada.db.messages.update(waiting?.key ?? '', { at: wrote, expires: wrote + HOUR })
  ada.join()
  await until(async () => (await ben.texts(ada)).includes('much later'))
  const expires = async () => (await ada.with(ben)).find(({ text }) => text === 'much later')?.expires ?? 0
  await until(async () => (await expires()) > wrote + HOUR)
  expect(await expires()).toBeGreaterThan(Date.now() + HOUR / 2)
})

test('without the server, a device goes by what it was told last', async () => {
  const db = new Database('clock')
  await db.open()
  let wall = 1e12
  let steady = 0
  const clock = new ServerClock(
    () => wall,
    () => steady
  )
  await clock.follow(db)
  expect(clock.expiryTime()).toBe(-Infinity) // nothing is over that cannot come back
  await clock.set(db, 1e12 - 5 * HOUR)
  expect(clock.now()).toBe(1e12 - 5 * HOUR)
  wall += HOUR
  steady += 1000
  // Has it slept, or has somebody set it?
  expect(clock.expiryTime()).toBe(1e12 - 5 * HOUR + 1000)
  const next = new ServerClock(() => wall)
  await next.follow(db)
  next.useLastOffset()
  expect(next.expiryTime()).toBe(1e12 - 4 * HOUR)
  const unknown = new ServerClock(() => wall)
  await unknown.set(db, NaN)
  expect(unknown.expiryTime()).toBe(wall)
  await db.delete()
})

test('what the server says is kept, whenever the storage tells what was known before', async () => {
  const turn = () => new Promise((done) => setTimeout(done))
  /** A storage that is slow to read, as that of a busy device. */
  class Slow extends Database {
    override async fact<T>(name: string): Promise<T | undefined> {
      const value = await super.fact<T>(name)
      for (let turns = 0; turns < 5; turns++) await Dexie.waitFor(turn())
      return value
    }
  }
  for (let turns = 0; turns < 12; turns++) {
    const db = new Slow(`clock ${turns}`)
    await db.open()
    const clock = new ServerClock(() => 1e12)
    await clock.follow(db)
    for (let waited = 0; waited < turns; waited++) await turn()
    await clock.set(db, 1e12 - 5 * HOUR)
    expect([turns, await db.fact('clock.ahead')]).toEqual([turns, -5 * HOUR])
    expect([turns, clock.now()]).toEqual([turns, 1e12 - 5 * HOUR])
    await db.delete()
  }
})

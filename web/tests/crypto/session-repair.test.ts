import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { World, type Device } from './world'

vi.setConfig({ testTimeout: 60_000 })

const ANNA = 'anna@example.org'
const BEN = 'ben@example.org'

let world: World
let anna: Device
let ben: Device
beforeEach(async () => {
  world = new World()
  anna = await world.device(ANNA)
  ben = await world.device(BEN)
  await anna.write(BEN, 'hello')
  await ben.write(ANNA, 'hello')
  await world.deliver()
})
afterEach(() => world.close())

async function lose(device: Device, what: string): Promise<void> {
  await device.db.keys.where('path').startsWith(what).delete()
  device.start()
}

test('a session that the reader has lost is made anew, and what could not be read comes again', async () => {
  await lose(ben, 'session/')
  const lost = [await anna.write(BEN, 'one'), await anna.write(BEN, 'two'), await anna.write(BEN, 'three')]
  await world.deliver()
  for (const [n, { id }] of lost.entries()) expect(ben.read_(id)).toEqual([['one', 'two', 'three'][n]])
  const { id } = await anna.write(BEN, 'next')
  await world.deliver()
  expect(ben.read_(id)).toEqual(['next'])
})

test('a session that the writer has lost is no trouble', async () => {
  await lose(anna, 'session/')
  const { id } = await anna.write(BEN, 'x')
  await world.deliver()
  expect(ben.read_(id)).toEqual(['x'])
  expect(ben.asks).toBe(0)
})

test('a session that both have lost at the same time heals', async () => {
  await lose(anna, 'session/')
  await lose(ben, 'session/')
  const [one, two] = await Promise.all([anna.write(BEN, 'from anna'), ben.write(ANNA, 'from ben')])
  await world.deliver()
  expect(ben.read_(one.id)).toEqual(['from anna'])
  expect(anna.read_(two.id)).toEqual(['from ben'])
})

test('a writer whose state has fallen back to that of a backup is read again before long', async () => {
  const backup = await anna.db.keys.where('path').startsWith('session/').toArray()
  for (let n = 0; n < 5; n++) await anna.write(BEN, `${n}`)
  await ben.write(ANNA, 'x')
  await world.deliver()
  await anna.write(BEN, 'on a new chain')
  await world.deliver()
  await anna.db.keys.bulkPut(backup)
  anna.start()
  const texts = []
  for (let n = 0; n < 8; n++) texts.push(await anna.write(BEN, `again ${n}`))
  await world.deliver()
  const { id } = await anna.write(BEN, 'last')
  await world.deliver()
  expect(ben.read_(id)).toEqual(['last'])
})

test('hundreds of skipped messages are read whenever they come, each once', async () => {
  const letters = []
  for (let n = 0; n < 300; n++) letters.push(await anna.write(BEN, `${n}`))
  ben.box.length = 0
  for (const letter of letters.reverse()) expect(await ben.read(letter)).toMatchObject({ type: 'text' })
  for (const letter of letters) expect((await ben.read(letter)).type).toBe('again')
  expect(ben.asks).toBe(0)
})

test('a device that was away for thousands of messages heals', { timeout: 120_000 }, async () => {
  for (let n = 0; n < 2100; n++) await anna.crypto.encrypt([BEN], `${n}`)
  const { id } = await anna.write(BEN, 'after weeks')
  await world.deliver()
  expect(ben.read_(id)).toEqual(['after weeks'])
  const next = await anna.write(BEN, 'next')
  await world.deliver()
  expect(ben.read_(next.id)).toEqual(['next'])
  expect(ben.asks).toBe(1)
})

test('a contact who has installed the app anew is written to, and their new key is told of', async () => {
  world.lists.set(BEN, [])
  world.bundles.delete(`${BEN} ${ben.id}`)
  world.all.splice(world.all.indexOf(ben), 1)
  const again = await world.device(BEN)
  const { id } = await anna.write(BEN, 'welcome back')
  await world.deliver()
  expect(again.read_(id)).toEqual(['welcome back'])
  expect(anna.events).toEqual([{ type: 'keys-changed', account: BEN, verified: false }])
  const answer = await again.write(ANNA, 'thanks')
  await world.deliver()
  expect(anna.read_(answer.id)).toEqual(['thanks'])
  expect(anna.events).toHaveLength(1)
  world.all.push(ben)
})

test('the same device id with another key is told of, and both sides go on', async () => {
  const id = ben.id
  await ben.db.keys.clear()
  ben.start()
  await ben.crypto.online()
  const own = await ben.db.keys.get('own')
  await ben.db.keys.put({ path: 'own', value: { ...(own?.value as object), device: id } })
  ben.start()
  world.lists.set(BEN, [id])
  await ben.crypto.online()
  const letter = await ben.write(ANNA, 'same id')
  await world.deliver()
  expect(anna.read_(letter.id)).toEqual(['same id'])
  expect(anna.events).toEqual([{ type: 'keys-changed', account: BEN, verified: false }])
  const answer = await anna.write(BEN, 'fine')
  await world.deliver()
  expect(ben.read_(answer.id)).toEqual(['fine'])
})

test('without connection nothing is lost: it is asked for after the next login', async () => {
  await lose(ben, 'session/')
  const { id } = await anna.write(BEN, 'later')
  ben.offline = true
  await world.deliver()
  expect(ben.read_(id)).toEqual([])
  ben.offline = false
  ben.start()
  await ben.crypto.online()
  await world.deliver()
  expect(ben.read_(id)).toEqual(['later'])
})

test.each(['lets them in', 'writes to them'])('a stranger is asked for nothing until one %s', async (how) => {
  await lose(ben, 'session/')
  ben.strangers.add(ANNA)
  const keys = ben.keysSent
  const asked = vi.spyOn(ben, 'bundle')
  const { id } = await anna.write(BEN, 'who knows')
  await world.deliver()
  expect(ben.results.at(-1)).toEqual({ type: 'unreadable', asked: false })
  ben.start()
  await ben.crypto.online()
  ben.crypto.retryRequests(ANNA)
  await world.deliver()
  expect(asked.mock.calls.map(([account]) => account)).not.toContain(ANNA)
  expect([ben.keysSent, ben.asks]).toEqual([keys, 0])
  ben.strangers.delete(ANNA)
  if (how === 'writes to them') await ben.write(ANNA, 'who are you?')
  else ben.crypto.retryRequests(ANNA)
  await world.deliver()
  expect(ben.read_(id)).toEqual(['who knows'])
})

test('a network that never answers blocks no message', async () => {
  await lose(ben, 'session/')
  const lost = await anna.write(BEN, 'lost')
  const never = (): Promise<never> => new Promise(() => undefined)
  const { bundle, devices } = ben
  ben.bundle = never
  ben.devices = never
  expect(await ben.read(lost)).toEqual({ type: 'unreadable', asked: true })
  await lose(anna, 'session/')
  const next = await anna.write(BEN, 'next')
  expect((await ben.read(next)).type).toBe('text')
  Object.assign(ben, { bundle, devices })
  ben.start()
})

test('texts that do not fit their key are asked for, and the session stays', async () => {
  const letter = await anna.write(BEN, 'whole')
  ben.box.length = 0
  const payload = Uint8Array.from(letter.envelope.payload ?? [], (byte) => byte ^ 1)
  expect(await ben.read({ ...letter, envelope: { ...letter.envelope, payload } })).toEqual({
    type: 'unreadable',
    asked: true
  })
  const asked = world.asked
  await world.deliver()
  expect(ben.read_(letter.id)).toEqual(['whole'])
  expect(world.asked).toBe(asked)
})

test('who sends what nobody can read gets few answers, and costs little', async () => {
  const letter = await anna.write(BEN, 'x')
  await world.deliver()
  const before = { asks: ben.asks, keys: ben.keysSent, bundles: world.asked }
  const [key] = letter.envelope.keys
  if (key === undefined) throw new Error('no key')
  let asked = 0
  for (let n = 0; n < 400; n++) {
    const data = key.data.slice()
    data[data.length - 1 - (n % 8)] = n
    data[30] = n
    const opened = await ben.read({
      ...letter,
      id: `flood ${n}`,
      envelope: { ...letter.envelope, keys: [{ ...key, data }] }
    })
    if (opened.type === 'unreadable' && opened.asked) asked++
  }
  await ben.crypto.idle()
  expect(asked).toBeLessThanOrEqual(130) // a hundred wait while thirty are asked for
  expect(ben.asks - before.asks).toBeLessThanOrEqual(30)
  expect(ben.keysSent - before.keys).toBeLessThanOrEqual(3)
  expect(world.asked - before.bundles).toBeLessThanOrEqual(3)
  const next = await anna.write(BEN, 'and still')
  await world.deliver()
  expect(ben.read_(next.id)).toEqual(['and still'])
})

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { NobodyCanRead } from '../../src/crypto/crypto'
import { World } from './world'

vi.setConfig({ testTimeout: 60_000 })

const ANNA = 'anna@example.org'
const BEN = 'ben@example.org'

let world: World
beforeEach(() => {
  world = new World()
})
afterEach(() => world.close())

test('a message to four devices is read by each, and by my others', async () => {
  const anna = await world.device(ANNA)
  const others = [await world.device(ANNA)]
  for (let count = 0; count < 4; count++) others.push(await world.device(BEN))
  for (const text of ['', 'hello', '\ufeffwith a mark 👩‍👩‍👧', 'x'.repeat(100_000)]) {
    const { id } = await anna.write(BEN, text)
    await world.deliver()
    for (const other of others) expect(other.read_(id)).toEqual([text])
  }
  const [, , , third] = others
  if (third === undefined) throw new Error('not made')
  const { id } = await third.write(ANNA, 'and back')
  await world.deliver()
  for (const device of [anna, ...others]) if (device !== third) expect(device.read_(id)).toEqual(['and back'])
})

test('a message to several people is read by their devices and my others, and by nobody else', async () => {
  const anna = await world.device(ANNA)
  const readers = [await world.device(ANNA), await world.device(BEN), await world.device(BEN)]
  readers.push(await world.device('cem@example.org'))
  const eve = await world.device('eve@example.org')
  const envelope = await anna.crypto.encrypt([BEN, 'cem@example.org', ANNA], 'to all')
  expect(envelope.keys.map(({ device }) => device).sort()).toEqual(readers.map(({ id }) => id).sort())
  for (const one of readers)
    expect(await one.crypto.decrypt(ANNA, envelope, '1')).toMatchObject({ type: 'text', text: 'to all' })
  expect(await eve.crypto.decrypt(ANNA, envelope, '1')).toEqual({ type: 'not-for-me' })
  // somebody without devices keeps nobody from reading
  const other = await anna.crypto.encrypt([BEN, 'dee@example.org'], 'to some')
  expect(other.keys).toHaveLength(3)
})

test('a long conversation keeps its order, and each side leaves first messages behind', async () => {
  const [anna, ben] = [await world.device(ANNA), await world.device(BEN)]
  for (let count = 0; count < 30; count++) {
    const [from, to] = count % 3 === 0 ? [ben, anna] : [anna, ben]
    const { id, envelope } = await from.write(to.account, `${count}`)
    await world.deliver()
    expect(to.read_(id)).toEqual([`${count}`])
    if (count > 3) expect(envelope.keys.map(({ prekey }) => prekey)).toEqual([false])
  }
})

test('nobody who has no device is written to, and no connection is not mistaken for that', async () => {
  const anna = await world.device(ANNA)
  await expect(anna.crypto.encrypt([BEN], 'x')).rejects.toThrow(NobodyCanRead)
  await world.device(BEN)
  anna.offline = true
  await expect(anna.crypto.encrypt([BEN], 'x')).rejects.toThrow('offline')
  anna.offline = false
  expect((await anna.crypto.encrypt([BEN], 'x')).keys).toHaveLength(1)
})

test('a message that comes twice is read once', async () => {
  const [anna, ben] = [await world.device(ANNA), await world.device(BEN)]
  const letter = await anna.write(BEN, 'once')
  await world.deliver()
  expect((await ben.read(letter)).type).toBe('again')
  ben.start() // another tab, or after a restart
  expect((await ben.read(letter)).type).toBe('again')
})

test('a message whose text could not be stored is read once more', async () => {
  const [anna, ben] = [await world.device(ANNA), await world.device(BEN)]
  const { id, envelope } = await anna.write(BEN, 'no room')
  for (const time of [1, 2, 3]) {
    if (time === 3) ben.start()
    expect(await ben.crypto.decrypt(ANNA, envelope, id)).toMatchObject({ type: 'text', text: 'no room' })
  }
  await world.deliver()
  expect(ben.read_(id)).toEqual(['no room'])
  expect((await ben.crypto.decrypt(ANNA, envelope, id)).type).toBe('again')
})

test('a message that was sent before the device was there is not for it', async () => {
  const [anna] = [await world.device(ANNA), await world.device(BEN)]
  const letter = await anna.write(BEN, 'old')
  world.now += 1000
  const later = await world.device(BEN)
  expect(await later.read(letter)).toEqual({ type: 'not-for-me' })
  await world.deliver()
  expect(later.asks).toBe(0)
})

test.each([ANNA, BEN])('who had not heard of a device yet is asked by it: %s', async (writer) => {
  const [anna, ben] = [await world.device(ANNA), await world.device(BEN)]
  const from = writer === ANNA ? anna : ben
  const to = writer === ANNA ? BEN : ANNA
  world.deaf.add(from)
  const later = await world.device(BEN)
  const { id } = await from.write(to, 'just now')
  await world.deliver()
  expect(later.read_(id)).toEqual(['just now'])
  expect([anna, ben].map(({ asks }) => asks)).toEqual([0, 0])
  world.deaf.clear()
  await world.tell(BEN)
  const next = await from.write(to, 'next')
  await world.deliver()
  expect(later.read_(next.id)).toEqual(['next'])
  expect(later.asks).toBe(1)
})

test('who does not trust a new device gives it nothing, however often it asks', async () => {
  const [anna, ben] = [await world.device(ANNA), await world.device(BEN)]
  await anna.write(BEN, 'hello')
  await world.deliver()
  await anna.crypto.setTrust(BEN, ben.id, 'verified')
  const later = await world.device(BEN)
  const letter = await anna.write(BEN, 'for the one that was compared')
  await world.deliver()
  expect(ben.read_(letter.id)).toHaveLength(1)
  expect(later.read_(letter.id)).toEqual([])
  expect(later.results[0]).toEqual({ type: 'unreadable', asked: true })
})

test('steps of two tabs at the same time lose none', async () => {
  const [anna, ben] = [await world.device(ANNA), await world.device(BEN)]
  const first = await anna.write(BEN, 'first')
  await world.deliver()
  const tabs = [anna.crypto, anna.start()]
  const envelopes = await Promise.all(
    Array.from({ length: 20 }, (_, n) => tabs[n % 2]?.encrypt([BEN], `${n}`))
  )
  const texts = []
  for (const [n, envelope] of envelopes.entries()) {
    if (envelope === undefined) throw new Error('no envelope')
    const opened = await ben.read({ ...first, id: `tab ${n}`, envelope })
    texts.push(opened.type === 'text' ? opened.text : opened.type)
  }
  expect(texts).toEqual(Array.from({ length: 20 }, (_, n) => `${n}`))
})

test('a device whose bundle has no prekeys left is written to all the same', async () => {
  const [anna, ben] = [await world.device(ANNA), await world.device(BEN)]
  const bundle = world.bundles.get(`${BEN} ${ben.id}`)
  if (bundle === undefined) throw new Error('no bundle')
  world.bundles.set(`${BEN} ${ben.id}`, { ...bundle, prekeys: [] })
  for (const text of ['one', 'two']) expect((await ben.read(await anna.write(BEN, text))).type).toBe('text')
  expect((await anna.read(await ben.write(ANNA, 'and back'))).type).toBe('text')
  expect((await ben.read(await anna.write(BEN, 'three'))).type).toBe('text')
})

test('bundles are filled up, renewed each week, and first messages by an older key can still be read', async () => {
  const [anna, ben] = [await world.device(ANNA), await world.device(BEN)]
  const name = `${BEN} ${ben.id}`
  const before = world.bundles.get(name)
  expect(before?.prekeys).toHaveLength(200)
  const late = await anna.write(BEN, 'late')
  ben.box.length = 0
  world.now += 8 * 86_400_000
  await ben.crypto.online()
  const after = world.bundles.get(name)
  expect(after?.signedPrekey.id).not.toBe(before?.signedPrekey.id)
  expect(after?.identity).toEqual(before?.identity)
  expect((await ben.read(late)).type).toBe('text')
  await ben.crypto.idle()
  const filled = world.bundles.get(name)
  expect(filled?.prekeys).toHaveLength(200)
  const used = before?.prekeys.filter(({ id }) => !filled?.prekeys.some((key) => key.id === id))
  expect(used).toHaveLength(1)
  world.now += 40 * 86_400_000
  await ben.crypto.online()
  const kept = await ben.db.keys.where('path').startsWith('signed/').count()
  expect(kept).toBe(2)
  expect(await ben.db.keys.get(`prekey/${used?.[0]?.id}`)).toBeUndefined()
})

test('this device goes back onto the list that another has taken it off, and leaves the others there', async () => {
  const anna = await world.device(ANNA)
  world.lists.set(ANNA, [7])
  await anna.crypto.devicesChanged(ANNA, [7])
  expect(world.lists.get(ANNA)).toEqual([7, anna.id])
  for (let count = 0; count < 50; count++) {
    world.lists.set(ANNA, [7])
    await anna.crypto.devicesChanged(ANNA, [7])
  }
  expect(world.lists.get(ANNA)).toEqual([7]) // it does not fight for ever
  await anna.crypto.online()
  expect(world.lists.get(ANNA)).toEqual([7, anna.id])
})

test('nothing is left of the keys after the database was deleted, and nothing makes it anew', async () => {
  const [anna] = [await world.device(ANNA), await world.device(BEN)]
  await anna.write(BEN, 'x')
  await anna.db.delete()
  await expect(anna.crypto.encrypt([BEN], 'y')).rejects.toThrow()
  await anna.crypto.idle()
  expect((await indexedDB.databases()).map(({ name }) => name)).not.toContain(anna.db.name)
})

test('a bundle that never comes holds up no message for long', async () => {
  const [anna, ben] = [await world.device(ANNA), await world.device(BEN)]
  const second = await world.device(BEN)
  const { bundle } = anna
  anna.bundle = (account, device) =>
    device === second.id ? Promise.reject(new Error('timeout')) : bundle.call(anna, account, device)
  await expect(anna.crypto.encrypt([BEN], 'x')).rejects.toThrow('timeout')
  await expect(anna.crypto.encrypt([BEN], 'x')).rejects.toThrow('timeout')
  expect((await anna.crypto.encrypt([BEN], 'x')).keys.map(({ device }) => device)).toEqual([ben.id])
})

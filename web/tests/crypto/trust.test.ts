import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { NobodyCanRead } from '../../src/crypto/crypto'
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
  await world.deliver()
})
afterEach(() => world.close())

test('before anything was verified, new devices are trusted on first use without a word', async () => {
  const second = await world.device(BEN)
  const { id } = await anna.write(BEN, 'both')
  await world.deliver()
  expect(second.read_(id)).toEqual(['both'])
  const keys = await anna.crypto.fingerprints(BEN)
  expect(keys.map(({ trust, active }) => [trust, active])).toEqual([
    ['first-use', true],
    ['first-use', true]
  ])
  expect(anna.events).toEqual([])
})

test('once a contact is verified, a new device is told of, not written to, and not shown as trusted', async () => {
  await anna.crypto.setTrust(BEN, ben.id, 'verified')
  const second = await world.device(BEN)
  await anna.crypto.idle()
  expect(anna.events).toEqual([{ type: 'keys-changed', account: BEN, verified: true }])
  const { id } = await anna.write(BEN, 'secret')
  const from = await second.write(ANNA, 'trust me')
  await world.deliver()
  expect(ben.read_(id)).toEqual(['secret'])
  expect(second.results.at(-1)?.type).not.toBe('text')
  expect(second.read_(id)).toEqual([])
  expect(anna.results).toContainEqual(
    expect.objectContaining({ type: 'text', text: 'trust me', device: second.id, trusted: false })
  )
  await expect(anna.crypto.encryptFor(BEN, second.id, 'secret')).rejects.toThrow(NobodyCanRead)
  await anna.crypto.setTrust(BEN, second.id, 'verified')
  const next = await anna.write(BEN, 'welcome')
  await world.deliver()
  expect(second.read_(next.id)).toEqual(['welcome'])
  expect((await anna.read(await second.write(ANNA, 'now'))).type).toBe('text')
  expect(anna.results.at(-1)).toMatchObject({ trusted: true })
  expect(from.id).not.toBe('')
})

test('a device that is distrusted gets nothing, not even questions', async () => {
  await anna.crypto.setTrust(BEN, ben.id, 'distrusted')
  await expect(anna.crypto.encrypt([BEN], 'x')).rejects.toThrow(NobodyCanRead)
  await expect(anna.crypto.encryptFor(BEN, ben.id, '')).rejects.toThrow(NobodyCanRead)
  await anna.db.keys.where('path').startsWith('session/').delete()
  const letter = await ben.write(ANNA, 'x')
  const opened = await anna.read(letter)
  if (opened.type === 'text') expect(opened.trusted).toBe(false)
  else expect(opened).toEqual({ type: 'unreadable', asked: false })
  await anna.crypto.idle()
  expect(anna.asks).toBe(0)
})

test('a key that another device id shows is trusted as that key is', async () => {
  await anna.crypto.setTrust(BEN, ben.id, 'verified')
  const bundle = world.bundles.get(`${BEN} ${ben.id}`)
  if (bundle === undefined) throw new Error('no bundle')
  world.bundles.set(`${BEN} 77`, bundle)
  world.lists.set(BEN, [ben.id, 77])
  await world.tell(BEN)
  await anna.crypto.idle()
  expect(anna.events).toEqual([])
  expect(await anna.crypto.fingerprints(BEN)).toMatchObject([{ trust: 'verified' }, { trust: 'verified' }])
})

test('a bundle that its identity has not signed is not used', async () => {
  const evil = await world.device('eve@example.org')
  const [bundle, other] = [
    world.bundles.get(`eve@example.org ${evil.id}`),
    world.bundles.get(`${BEN} ${ben.id}`)
  ]
  if (bundle === undefined || other === undefined) throw new Error('no bundle')
  world.bundles.set(`${BEN} 99`, { ...bundle, identity: other.identity })
  world.lists.set(BEN, [ben.id, 99])
  await world.tell(BEN)
  const envelope = await anna.crypto.encrypt([BEN], 'x')
  expect(envelope.keys.map(({ device }) => device)).toEqual([ben.id])
})

test('both see the same sixty digits, whoever has however many devices, and others when a key is another', async () => {
  await world.device(BEN)
  await world.device(ANNA)
  const [mine, theirs] = [await anna.crypto.safetyNumber(BEN), await ben.crypto.safetyNumber(ANNA)]
  expect(mine).toMatch(/^[0-9]{60}$/)
  expect(theirs).toBe(mine)
  await world.device(BEN)
  const changed = await anna.crypto.safetyNumber(BEN)
  expect(changed).not.toBe(mine)
  expect(await ben.crypto.safetyNumber(ANNA)).toBe(changed)
})

test('a scanned code fits only the other side, and verifies what it fits', async () => {
  const eve = await world.device('eve@example.org')
  const code = await ben.crypto.safetyCode(ANNA)
  for (const wrong of [
    await eve.crypto.safetyCode(ANNA),
    await anna.crypto.safetyCode(BEN), // my own
    `${code}x`,
    code.slice(0, -1),
    `${code}.AAAA`,
    '',
    'kith-safety:1:.',
    'https://example.org/%%%'
  ]) {
    expect(await anna.crypto.compareCode(BEN, wrong)).toBe(false)
  }
  expect(await anna.crypto.fingerprints(BEN)).toMatchObject([{ trust: 'first-use' }])
  expect(await anna.crypto.compareCode(BEN, code)).toBe(true)
  expect(await anna.crypto.fingerprints(BEN)).toMatchObject([{ trust: 'verified' }])
})

test('my own devices have fingerprints, this one first', async () => {
  const second = await world.device(ANNA)
  const keys = await anna.crypto.fingerprints(ANNA)
  expect(keys.map(({ device }) => device)).toEqual([anna.id, second.id])
  expect(keys[0]).toMatchObject({ trust: 'verified', active: true })
  expect(keys[1]?.fingerprint).toBe((await second.crypto.fingerprints(ANNA))[0]?.fingerprint)
  expect(keys[0]?.fingerprint).toMatch(/^[0-9a-f]{64}$/)
})

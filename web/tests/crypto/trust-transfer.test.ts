import 'fake-indexeddb/auto'
import { afterEach, expect, test, vi } from 'vitest'
import { importTrust, exportTrust } from '../../src/crypto/trust-transfer'
import { Omemo } from '../../src/crypto/omemo'
import { Database } from '../../src/local/database'
import { World } from './world'

vi.setConfig({ testTimeout: 60_000 })

const ANNA = 'anna@example.org'
const BEN = 'ben@example.org'
const CARL = 'carl@example.org'

const world = new World()
afterEach(() => world.close())

test('a linked device trusts its elder and whom that one has verified, and nobody else', async () => {
  const [anna, ben, carl] = [await world.device(ANNA), await world.device(BEN), await world.device(CARL)]
  await anna.write(BEN, 'x')
  await anna.write(CARL, 'x')
  await anna.crypto.setTrust(BEN, ben.id, 'verified')
  const carried: unknown = JSON.parse(JSON.stringify(await exportTrust(anna.db, ANNA)))
  expect(carried).toMatchObject({ strict: false, contacts: { [BEN]: [expect.any(String)] } })

  const second = new Database('linked')
  await importTrust(second, ANNA, carried)
  const crypto = new Omemo(second, ANNA, anna)
  const trust = async (account: string): Promise<Record<number, string>> =>
    Object.fromEntries((await crypto.fingerprints(account)).map(({ device, trust }) => [device, trust]))
  await crypto.online()
  expect((await trust(ANNA))[anna.id]).toBe('verified')
  expect(await trust(BEN)).toEqual({ [ben.id]: 'verified' })
  expect(await trust(CARL)).toEqual({ [carl.id]: 'first-use' })
  // strict with whom was verified: a new device of theirs is not trusted
  const later = await world.device(BEN)
  await crypto.devicesChanged(BEN, world.lists.get(BEN) ?? [])
  await crypto.idle()
  expect(await trust(BEN)).toEqual({ [ben.id]: 'verified', [later.id]: 'undecided' })
  await crypto.idle()
  await second.delete()
})

test('what a letter holds may be anything', async () => {
  const db = new Database('anything')
  const letters = [undefined, null, 1, 'x', [], { own: 1 }, { own: [1, null, 'AAAA', {}], contacts: [1] }]
  for (const letter of [...letters, { contacts: { 'a/b': ['A'.repeat(43)], c: 'x', d: [[]] } }]) {
    await importTrust(db, ANNA, letter)
  }
  expect(await db.keys.count()).toBe(0)
  await db.delete()
})

test('a letter stays small enough however many were verified', async () => {
  const db = new Database('many')
  const keys = Array.from({ length: 2000 }, (_, n) => ({
    path: `trust/contact${n}@example.org/${n.toString(16).padStart(64, '0')}`,
    value: { trust: 'verified', since: n }
  }))
  await db.keys.bulkPut(keys)
  const carried = await exportTrust(db, ANNA)
  expect(JSON.stringify(carried).length).toBeLessThan(17_000)
  expect(carried.contacts).toHaveProperty('contact1999@example.org')
  await db.delete()
})

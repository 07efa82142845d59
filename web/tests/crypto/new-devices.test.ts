import { afterEach, describe, expect, it } from 'vitest'
import { NobodyCanRead } from '../../src/crypto/crypto'
import { World } from './world'

let world: World
afterEach(() => world.close())

describe('two devices of one account', () => {
  it('show the same sixty digits, which others do not', async () => {
    world = new World()
    const [phone, laptop, other] = [
      await world.device('ada'),
      await world.device('ada'),
      await world.device('ada')
    ]
    const here = await phone.crypto.deviceNumber(laptop.id)
    const there = await laptop.crypto.deviceNumber(phone.id)
    expect(here.digits).toMatch(/^\d{60}$/)
    expect(there.digits).toBe(here.digits)
    expect((await phone.crypto.deviceNumber(other.id)).digits).not.toBe(here.digits)
    const [own] = await laptop.crypto.fingerprints('ada')
    expect(here.fingerprint).toBe(own?.fingerprint)
  })

  it('show different numbers if a server has put its own key between them', async () => {
    world = new World()
    const [phone, laptop, server] = [
      await world.device('ada'),
      await world.device('ada'),
      await world.device('ada')
    ]
    const fake = world.bundles.get(`ada ${String(server.id)}`)
    if (fake) world.bundles.set(`ada ${String(laptop.id)}`, fake)
    await phone.db.keys
      .where('path')
      .startsWith(`session/ada/${String(laptop.id)}`)
      .delete()
    await phone.db.keys
      .where('path')
      .startsWith(`device/ada/${String(laptop.id)}`)
      .delete()
    phone.start()
    const here = await phone.crypto.deviceNumber(laptop.id)
    const there = await laptop.crypto.deviceNumber(phone.id)
    expect(here.digits).not.toBe(there.digits)
  })

  it('write under the key that was compared, and under no other', async () => {
    world = new World()
    const [phone, laptop, server] = [
      await world.device('ada'),
      await world.device('ada'),
      await world.device('ada')
    ]
    const { fingerprint } = await phone.crypto.deviceNumber(laptop.id)
    // A key that was seen first is not enough
    await expect(phone.crypto.encryptVerified(laptop.id, fingerprint, 'past')).rejects.toThrow(NobodyCanRead)
    expect(await phone.crypto.verifyDevice(laptop.id, 'f'.repeat(64))).toBe(false)
    expect(await phone.crypto.verifyDevice(laptop.id, fingerprint)).toBe(true)
    const envelope = await phone.crypto.encryptVerified(laptop.id, fingerprint, 'past')
    expect(envelope.keys.map(({ device }) => device)).toEqual([laptop.id])
    expect(await laptop.crypto.decrypt('ada', envelope, 'x')).toMatchObject({ type: 'text', text: 'past' })
    await expect(phone.crypto.encryptVerified(server.id, fingerprint, 'past')).rejects.toThrow(NobodyCanRead)
    await laptop.crypto.idle() // it publishes the prekey that takes the place of the one just used
    // The device shows another key meanwhile
    const fake = world.bundles.get(`ada ${String(server.id)}`)
    if (fake) world.bundles.set(`ada ${String(laptop.id)}`, fake)
    await phone.db.keys
      .where('path')
      .startsWith(`session/ada/${String(laptop.id)}`)
      .delete()
    phone.start()
    await expect(phone.crypto.encryptVerified(laptop.id, fingerprint, 'past')).rejects.toThrow(NobodyCanRead)
  })

  it('that were compared make no others unreadable that were not', async () => {
    world = new World()
    const [phone, laptop] = [await world.device('ada'), await world.device('ada')]
    const { fingerprint } = await phone.crypto.deviceNumber(laptop.id)
    await phone.crypto.verifyDevice(laptop.id, fingerprint)
    const ben = await world.device('ben')
    const tablet = await world.device('ada')
    const letter = await phone.write('ben', 'hello')
    expect(letter.envelope.keys.map(({ device }) => device).sort()).toEqual(
      [laptop.id, ben.id, tablet.id].sort()
    )
  })
})

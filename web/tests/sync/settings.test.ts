/** What several devices of a person set of a chat in the same moment stays, on all of them. */
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import type { Chat } from '../../src/local/types'
import { write } from '../../src/xmpp/xml'
import { Device, until } from './people'
import { World } from './world'

const BEN = 'ben@example.org'
const open: Device[] = []

async function device(world: World): Promise<Device> {
  const made = await Device.of(world, 'ada')
  open.push(made)
  return made
}

afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const shown = async (one: Device) => {
  const {
    pinned,
    mutedUntil,
    archived,
    favourite = false
  }: Partial<Chat> = (await one.db.chats.get(BEN)) ?? {}
  return { pinned: Boolean(pinned), muted: Boolean(mutedUntil), archived, favourite }
}

const published = async (one: Device): Promise<boolean> =>
  (await one.db.facts.where('name').startsWith('unsynced ').count()) === 0

async function settled(devices: Device[]): Promise<void> {
  for (const one of devices) await one.online()
  await until(async () => {
    for (const one of devices) if (!(await published(one))) return false
    const all = await Promise.all(devices.map(shown))
    return all.every((one) => JSON.stringify(one) === JSON.stringify(all[0]))
  }, 10_000)
}

test('two devices that set different things within a moment both keep what was set, and so does a third', async () => {
  const world = new World()
  const [phone, tablet, laptop] = [await device(world), await device(world), await device(world)]
  await Promise.all([
    phone.app.pin(BEN, true),
    tablet.app.mute(BEN, Infinity),
    laptop.app.favourite([BEN], true)
  ])
  const all = { pinned: true, muted: true, archived: false, favourite: true }
  await until(async () => {
    const found = await Promise.all([phone, tablet, laptop].map(shown))
    return found.every((one) => JSON.stringify(one) === JSON.stringify(all))
  }, 10_000)
  // Who comes later finds it as well
  const later = await device(world)
  await until(async () => JSON.stringify(await shown(later)) === JSON.stringify(all))
})

test('what is set while something else is being published is published, too', async () => {
  const world = new World()
  const [phone, tablet] = [await device(world), await device(world)]
  const request = world.request.bind(world)
  let held: (() => void) | undefined
  world.request = (session, iq) => {
    if (held || !write(iq).includes('publish')) request(session, iq)
    else held = () => request(session, iq)
  }
  await phone.app.archive(BEN, true)
  await until(() => held !== undefined)
  await phone.app.archive(BEN, true)
  held?.()
  await settled([phone, tablet])
  expect(await shown(tablet)).toEqual({ pinned: false, muted: false, archived: true, favourite: false })
})

test('what was set without a connection does not undo what another device has set of something else', async () => {
  const world = new World()
  const [phone, tablet] = [await device(world), await device(world)]
  phone.cut()
  await phone.app.pin(BEN, true)
  await tablet.app.archive(BEN, true)
  await until(() => published(tablet))
  phone.join()
  await settled([phone, tablet])
  expect(await shown(tablet)).toEqual({ pinned: true, muted: false, archived: true, favourite: false })
})

test('a device of an earlier version, which tells no times, is heard all the same', async () => {
  const world = new World()
  const phone = await device(world)
  await phone.app.pin(BEN, true)
  await until(() => published(phone))
  const node = 'ada@example.org urn:kith:chats:0'
  world.nodes.get(node)?.set(BEN, `<chat xmlns='urn:kith:chats:0' archived='true'/>`)
  await phone.restart()
  await until(async () => (await shown(phone)).archived === true)
  expect(await shown(phone)).toEqual({ pinned: false, muted: false, archived: true, favourite: false })
})

test('any interleaving of settings on two devices ends the same on both', async () => {
  const step = fc.record({
    by: fc.constantFrom(0, 1),
    do: fc.constantFrom('pin', 'unpin', 'mute', 'unmute', 'archive', 'favourite', 'cut', 'join', 'wait')
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 12 }), async (steps) => {
      const world = new World()
      const devices = [await device(world), await device(world)]
      const work: Promise<void>[] = []
      for (const one of steps) {
        const at = devices[one.by]
        if (!at) continue
        if (one.do === 'pin' || one.do === 'unpin') work.push(at.app.pin(BEN, one.do === 'pin'))
        if (one.do === 'mute' || one.do === 'unmute')
          work.push(at.app.mute(BEN, one.do === 'mute' ? Infinity : 0))
        if (one.do === 'archive') work.push(at.app.archive(BEN, true))
        if (one.do === 'favourite') work.push(at.app.favourite([BEN], true))
        if (one.do === 'cut') at.cut()
        if (one.do === 'join') at.join()
        if (one.do === 'wait') await new Promise((resolve) => setTimeout(resolve, 10))
      }
      await Promise.all(work)
      for (const one of devices) one.join()
      await settled(devices)
      for (const one of open.splice(0)) await one.close()
    }),
    { numRuns: Number(process.env['RUNS'] ?? 10), endOnFailure: true }
  )
}, 120_000)

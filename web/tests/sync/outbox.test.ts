/** A retry is the same message, or it is none. */
import { expect, test } from 'vitest'
import { NS } from '../../src/xmpp/ns'
import { attribute, child, write } from '../../src/xmpp/xml'
import { device, until } from './people'
import { World } from './world'

/** What reaches the server of messages with an id of their own, by id. */
function arrivals(world: World, lose: (count: number) => boolean): Map<string, string[]> {
  const found = new Map<string, string[]>()
  const take = world.take.bind(world)
  let count = 0
  world.take = (from, stanza) => {
    const id = attribute(child(stanza, NS.sid, 'origin-id'), 'id')
    found.set(id, [...(found.get(id) ?? []), write(stanza)])
    count += 1
    // The server has it; that it has, nobody hears
    if (lose(count)) world.restart(true)
    take(from, stanza)
  }
  return found
}

test('what may have reached the server is sent again with the same content, in another session, after a restart, to new devices', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const found = arrivals(world, (count) => count <= 3)
  await ada.app.send(ben.address, 'one')
  await until(() => [...found.values()].flat().length >= 1)
  const second = await device(world, 'ben')
  await until(async () => {
    ada.join()
    return [...found.values()].flat().length >= 2
  })
  ada.cut()
  await ada.open()
  ada.join()
  await ada.online()
  const sent = [...found.values()].filter((all) => all.some((one) => one.includes('<payload>')))
  expect(sent.length).toBeGreaterThan(0)
  for (const all of sent) expect(new Set(all).size).toBe(1)
  expect(sent[0]?.length).toBeGreaterThan(1)
  await until(async () => (await ben.texts(ada)).includes('one'))
  expect(await ben.texts(ada)).toEqual(['one'])
  expect(await ada.db.outgoing.count()).toBe(0)
  await second.online()
})

test('what never left is encrypted for the devices that there are when it does', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  ada.cut()
  await ada.app.send(ben.address, 'one')
  const second = await device(world, 'ben')
  ada.join()
  await until(async () => (await second.texts(ada)).length === 1)
  expect(await second.texts(ada)).toEqual(['one'])
})

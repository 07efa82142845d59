/** Where in the archive a device is, and which messages are the same. */
import { expect, test } from 'vitest'
import { NS } from '../../src/xmpp/ns'
import { device, turnOff, until } from './people'
import { World } from './world'

const idAt = (moment: number, counter = 0xfffff) =>
  Math.floor(moment).toString(16).padStart(11, '0') + counter.toString(16).padStart(5, '0')

/** From Eve, with an id that the archive never gave. */
function forged(id: string, content: string, name = id): string {
  return (
    `<message xmlns='jabber:client' from='eve@example.org/x' to='ada@example.org' type='chat' id='${name}'>${content}` +
    `<stanza-id xmlns='${NS.sid}' by='ada@example.org' id='${id}'/></message>`
  )
}

const typing = `<composing xmlns='${NS.states}'/>`

test('no id that comes live makes a device miss what follows', async () => {
  for (const id of [
    'ffffffffffffffff',
    idAt(Date.now() + 300_000),
    idAt(Date.now() + 3_600_000),
    'zzzzzzzzzzzzzzzz',
    'FFFFFFFFFFFFFFFF',
    '~000000000001',
    'x'
  ]) {
    const world = new World()
    const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
    world.give(ada, forged(id, typing))
    world.give(ada, forged(id, '<body>pinned?</body>'))
    await until(async () => (await ada.db.messages.count()) === 1)
    ada.cut()
    world.sessions = world.sessions.filter(({ jid }) => !jid.endsWith(ada.agent))
    await ben.app.send(ada.address, 'while away')
    await ben.online()
    ada.join()
    await until(async () => (await ada.texts(ben)).length === 1)
    expect(await ada.texts(ben)).toEqual(['while away'])
    await turnOff()
  }
}, 60_000)

test('a message with a forged place does not stand before or behind all others', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  world.give(ada, forged('fffffffffffffff0', '<body>top</body>', 'high'))
  world.give(ada, forged('0000000000000001', '<body>first</body>', 'low'))
  const day = 86_400_000
  await until(async () => (await ada.db.messages.count()) === 2)
  for (const { at } of await ada.db.messages.toArray()) expect(Math.abs(at - Date.now())).toBeLessThan(day)
  await ben.app.send(ada.address, 'newer')
  await until(async () => (await ada.texts(ben)).length === 1)
  const chats = await ada.db.chats.orderBy('at').reverse().toArray()
  expect(chats.map(({ address }) => address)).toEqual([ben.address, 'eve@example.org'])
})

test('a device that was fooled before finds its place again, and what it missed', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ben.app.send(ada.address, 'before')
  await until(async () => (await ada.texts(ben)).length === 1)
  ada.cut()
  world.sessions = world.sessions.filter(({ jid }) => !jid.endsWith(ada.agent))
  await ben.app.send(ada.address, 'missed')
  await ben.online()
  // As an earlier version would have left it
  const high = 'fffffffffffffff0'
  await ada.db.setFact('archive.last', high)
  const [message] = await ada.with(ben)
  if (message)
    await ada.db.messages.put({ ...message, at: Number.parseInt(high.slice(0, 11), 16), order: high })
  await ada.db.chats.update(ben.address, {
    at: Number.parseInt(high.slice(0, 11), 16),
    order: high,
    readTo: high
  })
  ada.join()
  await until(async () => (await ada.texts(ben)).length === 2)
  expect(await ada.texts(ben)).toEqual(['before', 'missed'])
  const chat = await ada.db.chats.get(ben.address)
  expect(Math.abs((chat?.at ?? 0) - Date.now())).toBeLessThan(86_400_000)
  await ben.app.send(ada.address, 'after')
  await until(async () => (await ada.texts(ben)).length === 3)
  expect((await ada.db.chats.get(ben.address))?.unread).toBeGreaterThan(0)
})

/** By a client that counts from one after each start; in the clear, as it comes to the server. */
function plain(id: string, text: string, more = ''): string {
  return `<message xmlns='jabber:client' to='ada@example.org' type='chat' id='${id}'><body>${text}</body>${more}</message>`
}

test('two messages with the same id are two messages, live, at catch-up and both; a retry is one', async () => {
  const { parse } = await import('../../src/xmpp/xml')
  for (const away of ['never', 'first', 'second', 'both']) {
    const world = new World()
    const ada = await device(world, 'ada')
    const write = (id: string, text: string, more = '') =>
      world.take('eve@example.org/x', parse(plain(id, text, more)))
    const leave = () => {
      ada.cut()
      world.sessions = []
    }
    const come = async () => {
      ada.join()
      await until(() => world.sessions.length === 1)
      await ada.online()
    }
    if (away === 'first' || away === 'both') leave()
    write('1', 'one')
    write('2', 'two')
    if (away === 'first') await come()
    if (away === 'second') {
      await until(async () => (await ada.db.messages.count()) === 2)
      leave()
    }
    // It has started anew
    write('1', 'three')
    write('1', 'three')
    write('2', 'changed', `<replace xmlns='${NS.correct}' id='1'/>`)
    if (away !== 'never') await come()
    const texts = async () =>
      (await ada.db.messages.orderBy('[chat+at+order]').toArray()).map(({ text }) => text)
    await until(async () => (await texts()).includes('changed'))
    expect([away, await texts()]).toEqual([away, ['one', 'two', 'changed']])
    // What is read once more, is known
    await ada.db.setFact('archive.last', '')
    await ada.db.setFact('archive.heard', '')
    leave()
    await come()
    expect([away, await texts()]).toEqual([away, ['one', 'two', 'changed']])
    // Deleted here is not forgotten, nor does it take others with it
    const [first] = await ada.db.messages.where('id').equals('1').sortBy('order')
    await ada.app.deleteForMe([first?.key ?? ''])
    write('1', 'four')
    await until(async () => (await texts()).includes('four'))
    expect([away, await texts()]).toEqual([away, ['two', 'changed', 'four']])
    await turnOff()
  }
}, 60_000)

/** The names that people give themselves: with their messages and contact requests. */
import { expect, test } from 'vitest'
import { newContact } from '../../src/local/contact'
import { NS } from '../../src/xmpp/ns'
import { addressHint, nameOf, setOwnAddress } from '../../src/parts/names'
import { attribute, child, el, parse, textOf } from '../../src/xmpp/xml'
import { device, Device, until } from './people'
import { World } from './world'

const called = async (of: Device, nick: string) =>
  of.db.contacts.put({ ...((await of.db.contacts.get(of.address)) ?? newContact(of.address)), nick })

/** What one has sent to another. */
const sent = (world: World, from: Device, to: Device) =>
  world.log
    .filter((one) => one.from.startsWith(from.address) && one.to === to.address)
    .map(({ inner }) => inner)

test('who writes to me for the first time shows their name with that message', async () => {
  const world = new World()
  world.friends = []
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await called(ben, 'Ben')
  await ben.app.send(ada.address, 'hello')
  await until(async () => (await ada.texts(ben)).length === 1)
  expect((await ada.db.contacts.get(ben.address))?.nick).toBe('Ben')
  // And when it was read from the archive
  const second = await device(world, 'ada')
  ada.cut()
  world.sessions = world.sessions.filter(({ jid }) => !jid.endsWith(second.agent))
  second.cut()
  await ben.app.send(ada.address, 'again')
  await ben.online()
  second.join()
  await until(async () => (await second.texts(ben)).includes('again'))
  expect((await second.db.contacts.get(ben.address))?.nick).toBe('Ben')
})

test('my name goes to whom I write to, until they get it with my presence', async () => {
  const world = new World()
  world.friends = []
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await called(ben, 'Ben')
  await ben.app.send(ada.address, 'one')
  await ben.online()
  await ben.db.contacts.put({ ...newContact(ada.address), subscription: 'both', inRoster: true })
  await ben.app.send(ada.address, 'two')
  await ben.online()
  const nicks = sent(world, ben, ada).map((inner) => inner.includes(NS.nick))
  expect(nicks).toEqual([true, false])
})

test('a name that comes with a message is cleaned, and is nobody else’s', async () => {
  const world = new World()
  world.friends = []
  const ada = await device(world, 'ada')
  await ada.db.contacts.put({ ...newContact('oma@example.org'), name: 'Oma', inRoster: true })
  let count = 0
  const nickOf = async (nick: string) => {
    const from = `eve${++count}@example.org`
    world.take(
      `${from}/x`,
      parse(
        `<message xmlns='jabber:client' to='${ada.address}' type='chat' id='${count}'><body>hi</body><nick xmlns='${NS.nick}'>${nick}</nick></message>`
      )
    )
    await until(async () => (await ada.db.contacts.get(from)) !== undefined)
    return (await ada.db.contacts.get(from))?.nick
  }
  expect(await nickOf('Eve\u202e\u200b\u2066')).toBe('Eve')
  expect(await nickOf('Kith')).toBe('')
  expect(await nickOf('К\u200bith Support')).toBe('')
  expect(await nickOf('Оma')).toBe('')
  expect(await nickOf('x'.repeat(1000))).toHaveLength(60)
})

test('a contact request carries my name, also one that accepts another', async () => {
  const world = new World()
  world.friends = []
  const ben = await device(world, 'ben')
  await called(ben, 'Ben <3')
  await ben.app.addContact('ada@example.org', 'Ada')
  await ben.app.acceptContact('cem@example.org')
  const asked = () =>
    world.presences.map((one) => parse(one)).filter((one) => attribute(one, 'type') === 'subscribe')
  await until(() => asked().length === 2)
  expect(asked().map((one) => [attribute(one, 'to'), textOf(child(one, NS.nick, 'nick'))])).toEqual([
    ['ada@example.org', 'Ben <3'],
    ['cem@example.org', 'Ben <3']
  ])
})

test('a contact request shows the name that it carries, cleaned, and never somebody else’s', async () => {
  const world = new World()
  world.friends = []
  const ada = await device(world, 'ada')
  await ada.db.contacts.put({ ...newContact('oma@example.org'), name: 'Oma', inRoster: true })
  await called(ada, 'Ada')
  let count = 0
  const nickOf = async (nick: string) => {
    const from = `eve${++count}@example.org`
    const content = el('nick', { xmlns: NS.nick }, nick)
    world.give(
      ada,
      el('presence', { xmlns: NS.client, from, to: ada.address, type: 'subscribe' }, content).xml
    )
    await until(async () => (await ada.db.contacts.get(from))?.asks === true)
    const contact = await ada.db.contacts.get(from)
    setOwnAddress(ada.address)
    return [contact?.nick, nameOf(contact, from), addressHint(contact, from)]
  }
  // A name that they chose is marked, and their address stands beside it
  expect(await nickOf('Eve\u202e\u200b\u2066')).toEqual(['Eve', '~Eve', 'eve1'])
  for (const nick of [
    'Kith',
    'Kith Support',
    'Оma',
    'OMA',
    'Ada',
    '+49 170 1234567',
    'oma@example.org',
    '\u202e',
    ''
  ])
    expect([nick, await nickOf(nick)]).toEqual([nick, ['', `eve${count}`, '']])
  expect((await nickOf('x'.repeat(100_000)))[0]).toHaveLength(60)
  expect((await nickOf('Line\nof\tmany\r\nlines'))[0]).toBe('Line of many lines')
  // A request does not rename whom I know
  world.give(
    ada,
    el(
      'presence',
      { xmlns: NS.client, from: 'oma@example.org', to: ada.address, type: 'subscribe' },
      el('nick', { xmlns: NS.nick }, 'Eve')
    ).xml
  )
  await until(async () => (await ada.db.contacts.get('oma@example.org'))?.asks === true)
  expect(nameOf(await ada.db.contacts.get('oma@example.org'), 'oma@example.org')).toBe('Oma')
})

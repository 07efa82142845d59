/** What a stranger can see, and make one see, before they are let in. */
import { describe, expect, test } from 'vitest'
import { openCrypto } from '../../src/crypto/open'
import { newContact } from '../../src/local/contact'
import { bare } from '../../src/xmpp/jid'
import { NS } from '../../src/xmpp/ns'
import { attribute, parse, write, type Xml } from '../../src/xmpp/xml'
import { device, Device, turnOffLater, until } from './people'
import { World } from './world'

/** With the encryption that people have. */
async function encrypting(world: World, name: string): Promise<Device> {
  const one = new Device(world, `${name}@example.org`)
  turnOffLater(one)
  one.deps = { crypto: openCrypto }
  world.tokens.set(one.agent, 'token')
  await one.open()
  await one.online()
  return one
}

const called = async (of: Device, nick: string) =>
  of.db.contacts.put({ ...((await of.db.contacts.get(of.address)) ?? newContact(of.address)), nick })

/** What one has sent to another. */
const sent = (world: World, from: Device, to: Device) =>
  world.log
    .filter((one) => one.from.startsWith(from.address) && one.to === to.address)
    .map(({ inner }) => inner)

test('no receipt, no read mark and no typing goes to a stranger before they are let in', async () => {
  const world = new World()
  world.friends = []
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ben.app.send(ada.address, 'one')
  await until(async () => (await ada.texts(ben)).length === 1)
  const [one] = await ada.with(ben)
  await ada.app.read(ben.address, one?.key ?? '')
  ada.app.typing(ben.address, true)
  await ada.online()
  // What ada does then is behind all that she might have sent before
  await called(ada, 'Ada')
  await ada.app.send(ben.address, 'who are you?')
  await until(async () => (await ben.texts(ada)).includes('who are you?'))
  await ben.online() // the server's answer to what he sent may come later than her message
  const before = sent(world, ada, ben)
  expect(before).toHaveLength(1)
  expect(before[0]).toContain('<encrypted')
  expect((await ben.with(ada)).find(({ text }) => text === 'one')?.progress).toBe('sent')
  // She has answered: he is let in
  await ben.app.send(ada.address, 'two')
  await until(async () => (await ben.with(ada)).find(({ text }) => text === 'two')?.progress === 'delivered')
  const two = (await ada.with(ben)).find(({ text }) => text === 'two')
  await ada.app.read(ben.address, two?.key ?? '')
  await until(async () => (await ben.with(ada)).find(({ text }) => text === 'two')?.progress === 'read')
})

test('whoever is accepted learns that what they wrote before was read', async () => {
  const world = new World()
  world.friends = []
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ben.app.send(ada.address, 'one')
  await until(async () => (await ada.texts(ben)).length === 1)
  await ada.app.read(ben.address, (await ada.with(ben))[0]?.key ?? '')
  await ada.online()
  expect(sent(world, ada, ben)).toEqual([])
  await ada.app.acceptContact(ben.address)
  await until(async () => (await ben.with(ada))[0]?.progress === 'read')
})

test('a timer of a stranger does not set the chat’s', async () => {
  const world = new World()
  world.friends = []
  const ada = await device(world, 'ada')
  const timer = (id: string) =>
    world.take(
      'eve@example.org/x',
      parse(
        `<message xmlns='jabber:client' to='${ada.address}' type='chat' id='${id}'><ephemeral xmlns='${NS.ephemeral}' timer='5'/></message>`
      )
    )
  timer('1')
  world.take(
    'eve@example.org/x',
    parse(`<message xmlns='jabber:client' to='${ada.address}' type='chat' id='2'><body>hi</body></message>`)
  )
  await until(async () => (await ada.db.messages.where('id').equals('2').count()) === 1)
  expect((await ada.db.chats.get('eve@example.org'))?.disappears ?? 0).toBe(0)
  await ada.db.contacts.update('eve@example.org', { inRoster: true })
  timer('3')
  await until(async () => (await ada.db.chats.get('eve@example.org'))?.disappears === 5)
})

describe('what of a stranger can’t be read', () => {
  /** Of what an account writes to all devices, this part can be read by nobody. */
  function garble(world: World, of: Device, part: 'key' | 'payload'): () => void {
    const take = world.take.bind(world)
    world.take = (from, stanza) => {
      const text = write(stanza)
      const garbled = text.replace(
        new RegExp(`(<${part}\\b[^>]*>)[^<]*(.{8}</${part}>)`, 'g'),
        '$1AAAAAAAAAAAAAAAA$2'
      )
      const theirs = bare(from) === of.address && text.includes('<payload') && !text.includes('<resent')
      take(from, theirs ? parse(garbled) : stanza)
    }
    return () => (world.take = take)
  }

  /** Whatever a device sends to another account, requests too, but for the profile that it shows of a stranger. */
  function outgoing(world: World, from: Device, to: Device): string[] {
    const all: string[] = []
    const note = (jid: string, stanza: Xml) => {
      if (jid.endsWith(from.agent) && bare(attribute(stanza, 'to')) === to.address) all.push(write(stanza))
    }
    const [take, request] = [world.take.bind(world), world.request.bind(world)]
    world.take = (jid, stanza) => {
      note(jid, stanza)
      take(jid, stanza)
    }
    world.request = (session, iq) => {
      if (!/protocol\/nick|avatar|vcard/.test(write(iq))) note(session.jid, iq)
      request(session, iq)
    }
    return all
  }

  async function unread(world: World, part: 'key' | 'payload'): Promise<[Device, Device, string[]]> {
    world.friends = []
    const [ada, ben] = [await encrypting(world, 'ada'), await encrypting(world, 'ben')]
    const out = outgoing(world, ada, ben)
    const whole = garble(world, ben, part)
    await ben.app.send(ada.address, 'can you read this?')
    await until(async () => (await ada.with(ben)).length === 1)
    await ben.online() // he does not send it once more
    whole()
    await ada.online()
    return [ada, ben, out]
  }

  const states = async (of: Device, other: Device) =>
    (await of.with(other))
      .filter(({ mine }) => !mine)
      .map(({ kind, asked, text }) => (kind === 'unreadable' ? `asked: ${asked}` : text))

  const ways: [string, 'key' | 'payload', (ada: Device, ben: Device, world: World) => Promise<unknown>][] = [
    ['accepts them', 'key', (ada, ben) => ada.app.acceptContact(ben.address)],
    ['accepts them', 'payload', (ada, ben) => ada.app.acceptContact(ben.address)],
    ['adds them', 'key', (ada, ben) => ada.app.addContact(ben.address, 'Ben')],
    ['writes to them', 'key', (ada, ben) => ada.app.send(ben.address, 'who are you?')],
    ['writes to them', 'payload', (ada, ben) => ada.app.send(ben.address, 'who are you?')],
    [
      'writes to them on another device',
      'key',
      async (ada, ben, world) => {
        const second = await encrypting(world, 'ada')
        await second.app.send(ben.address, 'who are you?')
        await until(async () => (await ada.texts(ben)).includes('who are you?'))
      }
    ],
    [
      'adds them on another device',
      'key',
      async (ada, ben, world) =>
        world.give(
          ada,
          `<iq xmlns='jabber:client' type='set' id='push' to='${ada.address}'>` +
            `<query xmlns='${NS.roster}'><item jid='${ben.address}' subscription='none'/></query></iq>`
        )
    ],
    [
      'adds them on another device while this one is away',
      'key',
      async (ada, ben, world) => {
        ada.cut()
        world.restart(true)
        world.friends = [ada.address, ben.address]
        ada.join()
        await ada.online()
      }
    ]
  ]

  test.each(ways)('is asked for when the person %s, not before (%s)', async (_, part, retryRequests) => {
    const world = new World()
    const [ada, ben, out] = await unread(world, part)
    expect(out).toEqual([])
    expect(await states(ada, ben)).toEqual(['asked: false'])
    await retryRequests(ada, ben, world)
    await until(async () => (await states(ada, ben)).join() === 'can you read this?')
    expect(out.filter((stanza) => stanza.includes('<resend'))).toHaveLength(1)
  })

  test('is not asked for after a restart either, and not while they are blocked', async () => {
    const world = new World()
    const [ada, ben, out] = await unread(world, 'key')
    await ada.restart()
    await ada.online()
    // What ben sends now is taken in behind all that ada began with
    await ben.app.send(ada.address, 'hello?')
    await until(async () => (await ada.texts(ben)).includes('hello?'))
    await ada.app.block(ben.address, true)
    await ada.online()
    expect(out).toEqual([])
    expect(await states(ada, ben)).toEqual(['asked: false', 'hello?'])
    await ada.app.block(ben.address, false)
    expect(out).toEqual([])
    await ada.app.acceptContact(ben.address)
    await until(async () => (await states(ada, ben)).join() === 'can you read this?,hello?')
  })

  test('since it was read and could not be stored, is asked for when they are let in', async () => {
    const world = new World()
    world.friends = []
    const [ada, ben] = [await encrypting(world, 'ada'), await encrypting(world, 'ben')]
    const out = outgoing(world, ada, ben)
    await ben.app.send(ada.address, 'can you read this?')
    await until(async () => (await ada.texts(ben)).length === 1)
    await ada.db.messages.clear()
    await ada.db.seen.clear()
    for (const entry of world.log) world.ring(entry)
    await until(async () => (await states(ada, ben)).length === 1)
    await ada.online()
    expect(out).toEqual([])
    expect(await states(ada, ben)).toEqual(['asked: false'])
    await ada.app.acceptContact(ben.address)
    await until(async () => (await states(ada, ben)).join() === 'can you read this?')
  })
})

/** What people do with messages and chats, on several devices. */
import { expect, test } from 'vitest'
import { ofChat, readTime } from '../../src/local/queries'
import { parse } from '../../src/xmpp/xml'
import { device, Device, until, twoOf } from './people'
import { World } from './world'

test('what was sent without styles stays so: as it is forwarded, and until it is changed', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  world.take(
    'ben@example.org/other',
    parse(
      `<message xmlns='jabber:client' to='${ada.address}' id='plain'><body>&gt; _ &lt;</body>` +
        `<unstyled xmlns='urn:xmpp:styling:0'/></message>`
    )
  )
  await until(async () => (await ada.with(ben))[0]?.unstyled === true)
  const [message] = await ada.with(ben)
  await ada.app.forward([message?.key ?? ''], [ben.address])
  await until(async () => (await ben.with(ada)).some((one) => one.forwarded && one.unstyled))
  world.take(
    'ben@example.org/other',
    parse(
      `<message xmlns='jabber:client' to='${ada.address}' id='again'><body>*styled*</body>` +
        `<replace xmlns='urn:xmpp:message-correct:0' id='plain'/></message>`
    )
  )
  await until(async () => (await ada.with(ben))[0]?.text === '*styled*')
  expect((await ada.with(ben))[0]?.unstyled).toBeUndefined()
})

test('a message tells when it was delivered and read, on all devices of its writer', async () => {
  const world = new World()
  const [ada, tablet, ben] = await twoOf(world)
  const start = Date.now()
  await ada.app.send(ben.address, 'one')
  await ada.app.send(ben.address, 'two')
  await until(async () => (await ben.texts(ada)).length === 2)
  await until(async () => (await ada.with(ben)).every((one) => one.deliveredAt !== undefined))
  const [, two] = await ben.with(ada)
  await ben.app.read(ada.address, two?.key ?? '')
  for (const one of [ada, tablet]) {
    await until(async () => (await one.with(ben)).every((message) => message.progress === 'read'))
    for (const message of await one.with(ben)) {
      const { at, deliveredAt = 0 } = message
      const readAt = (await readTime(one.db, message)) ?? 0
      expect(deliveredAt).toBeGreaterThanOrEqual(Math.min(at, start))
      expect(readAt).toBeGreaterThanOrEqual(deliveredAt)
      expect(readAt - start).toBeLessThan(60_000)
    }
  }
})

test('favourites are the same on all devices', async () => {
  const world = new World()
  const [ada, tablet, ben] = await twoOf(world)
  await ada.app.send(ben.address, 'hello')
  await ada.app.favourite([ben.address], true)
  await until(async () => (await tablet.db.chats.get(ben.address))?.favourite === true)
  await tablet.app.favourite([ben.address], false)
  await until(async () => (await ada.db.chats.get(ben.address))?.favourite === false)
})

test('all chats are read at once', async () => {
  const world = new World()
  const [ada, ben, cleo] = [
    await device(world, 'ada'),
    await device(world, 'ben'),
    await device(world, 'cleo')
  ]
  for (const one of [ben, cleo]) await one.app.send(ada.address, 'hello')
  await until(async () => (await ada.db.chats.filter((chat) => chat.unread > 0).count()) === 2)
  await ada.app.readAll()
  expect(await ada.db.chats.filter((chat) => chat.unread > 0).count()).toBe(0)
  for (const one of [ben, cleo]) await until(async () => (await one.with(ada))[0]?.progress === 'read')
})

test('what a message said before it was changed is kept, and a change that comes days later is a message', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ben.app.send(ada.address, 'one')
  await until(async () => (await ada.texts(ben)).length === 1)
  await ben.online()
  for (const text of ['two', 'three']) {
    await ben.app.edit((await ben.with(ada))[0]?.key ?? '', text)
    for (const [one, other] of [
      [ada, ben],
      [ben, ada]
    ] as const)
      await until(async () => (await one.with(other))[0]?.text === text)
  }
  for (const [one, other] of [
    [ada, ben],
    [ben, ada]
  ] as const)
    expect((await one.with(other))[0]?.edits?.map(({ text }) => text)).toEqual(['one', 'two'])
  await ben.app.deleteForEveryone((await ben.with(ada))[0]?.key ?? '')
  await until(async () => (await ada.with(ben))[0]?.kind === 'deleted')
  expect((await ada.with(ben))[0]?.edits).toBeUndefined()

  const stanza = (id: string, text: string, more = '') =>
    parse(
      `<message xmlns='jabber:client' to='${ada.address}' id='${id}'><body>${text}</body>${more}</message>`
    )
  world.take('ben@example.org/other', stanza('old', 'long ago'))
  await until(async () => (await ada.texts(ben)).includes('long ago'))
  const old = (await ada.with(ben)).find((one) => one.text === 'long ago')
  await ada.db.messages.update(old?.key ?? '', { at: Date.now() - 3 * 86_400_000 })
  world.take(
    'ben@example.org/other',
    stanza('late', 'today', `<replace xmlns='urn:xmpp:message-correct:0' id='old'/>`)
  )
  await until(async () => (await ada.texts(ben)).includes('today'))
  expect(await ada.texts(ben)).toContain('long ago')
})

test('the time after which messages of new chats go is the same on all devices', async () => {
  const world = new World()
  const [ada, tablet] = await twoOf(world)
  await ada.app.setDefaultTimer(86_400)
  await until(async () => (await tablet.db.fact('timer.default')) === 86_400)
  await tablet.app.setDefaultTimer(0)
  await until(async () => (await ada.db.fact('timer.default')) === 0)
})

test('a chat that begins has the time that was chosen for new chats, and one that goes on keeps its own', async () => {
  const world = new World()
  const [ada, ben, cleo] = [
    await device(world, 'ada'),
    await device(world, 'ben'),
    await device(world, 'cleo')
  ]
  await ada.app.send(cleo.address, 'before')
  await ada.app.setDefaultTimer(3600)
  for (const one of [ben, cleo]) await ada.app.send(one.address, 'hello')
  await until(async () => (await ben.texts(ada)).includes('hello'))
  await until(async () => (await cleo.texts(ada)).includes('hello'))
  const hello = async (one: Device) => (await one.with(ada)).find(({ text }) => text === 'hello')
  expect((await hello(ben))?.expires).toBeGreaterThan(Date.now())
  expect((await hello(cleo))?.expires).toBeUndefined()
  await until(async () => (await ben.db.chats.get(ada.address))?.disappears === 3600)
  // What one of them sets then, stays
  await ben.app.disappear(ada.address, 0)
  await until(async () => (await ada.db.chats.get(ben.address))?.disappears === 0)
  await ada.app.send(ben.address, 'later')
  await until(async () => (await ben.texts(ada)).includes('later'))
  expect((await ben.with(ada)).find(({ text }) => text === 'later')?.expires).toBeUndefined()
})

test('what the server itself says is read, archived and cleared on all devices of mine', async () => {
  const world = new World()
  const [ada, tablet] = await twoOf(world)
  const server = 'example.org'
  const say = (text: string) =>
    world.take(
      server,
      parse(
        `<message xmlns='jabber:client' to='${ada.address}' type='chat' id='${text}'><body>${text}</body></message>`
      )
    )
  const synced = (one: Device) =>
    until(async () => (await one.db.fact(`unsynced settings ${server}`)) === undefined)
  const texts = async (one: Device) => (await ofChat(one.db, server).toArray()).map(({ text }) => text)
  say('one')
  say('two')
  for (const one of [ada, tablet]) await until(async () => (await texts(one)).length === 2)
  expect((await tablet.db.chats.get(server))?.unread).toBe(2)
  const last = (await ofChat(ada.db, server).toArray()).at(-1)
  await ada.app.read(server, last?.key ?? '')
  await until(async () => (await tablet.db.chats.get(server))?.unread === 0)
  await tablet.app.archive(server, true)
  await until(async () => (await ada.db.chats.get(server))?.archived === true)
  await synced(tablet)
  await ada.app.clear([server], false)
  await until(async () => (await texts(tablet)).length === 0)
  await synced(ada)
  // It is that server alone: nothing else without a name is anybody's chat
  world.nodes
    .get(`${ada.address} urn:kith:chats:0`)
    ?.set('elsewhere.org', `<chat xmlns='urn:kith:chats:0' archived='true'/>`)
  await tablet.app.archive(server, false)
  await until(async () => (await ada.db.chats.get(server))?.archived === false)
  expect(await ada.db.chats.get('elsewhere.org')).toBeUndefined()
})

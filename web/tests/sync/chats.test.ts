/** What people do with messages and chats, on several devices. */
import { expect, test } from 'vitest'
import { ofChat, pinned, readTime } from '../../src/local/queries'
import { LONGEST_PIN, pinIn } from '../../src/xmpp/sealed'
import { asNow } from '../../src/xmpp/archived'
import { read } from '../../src/xmpp/received'
import { parse } from '../../src/xmpp/xml'
import { device, Device, turnOffLater, until } from './people'
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

/** Another device of the same account. */
async function twoOf(world: World): Promise<[Device, Device, Device]> {
  return [await device(world, 'ada'), await device(world, 'ada'), await device(world, 'ben')]
}

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

test('a chat that is deleted goes from all devices, does not come back, and begins anew', async () => {
  const world = new World()
  const [ada, tablet, ben] = await twoOf(world)
  for (const text of ['1', '2', '3']) await ben.app.send(ada.address, text)
  for (const one of [ada, tablet]) await until(async () => (await one.texts(ben)).length === 3)
  await ada.online()
  await ada.app.pin(ben.address, true)
  await ada.app.clear([ben.address], true)
  await until(async () => (await tablet.texts(ben)).length === 0)
  await until(async () => {
    const chat = await tablet.db.chats.get(ben.address)
    return chat?.last === '' && chat.pinned === 0 && chat.listed === false
  })
  // Neither the archive nor a device that was away bring it back
  await tablet.app.older(ben.address)
  const phone = await device(world, 'ada')
  await until(async () => ((await phone.db.chats.get(ben.address))?.clearedTo ?? '') !== '')
  await phone.app.older(ben.address)
  expect([...(await phone.texts(ben)), ...(await tablet.texts(ben))]).toEqual([])
  await ben.app.send(ada.address, '4')
  for (const one of [ada, tablet, phone]) await until(async () => (await one.texts(ben)).join() === '4')
  expect((await ben.texts(ada)).length).toBe(4)
})

test('a chat that is cleared stays in the list, with what was set for it', async () => {
  const world = new World()
  const [ada, tablet, ben] = await twoOf(world)
  await ben.app.send(ada.address, 'hello')
  for (const one of [ada, tablet]) await until(async () => (await one.texts(ben)).length === 1)
  await ada.app.archive(ben.address, true)
  await ada.app.clear([ben.address])
  await until(async () => (await tablet.texts(ben)).length === 0)
  for (const one of [ada, tablet])
    await until(async () => {
      const chat = await one.db.chats.get(ben.address)
      return chat?.listed === true && chat.archived && chat.unread === 0
    })
})

test.each(['ffffffffffffffff', 'fffffff', '~', 'zzz'])(
  'an item that clears up to %s clears nothing',
  async (cleared) => {
    const world = new World()
    const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
    await ben.app.send(ada.address, 'hello')
    await until(async () => (await ada.texts(ben)).length === 1)
    const items = new Map([[ben.address, `<chat xmlns='urn:kith:chats:0' cleared='${cleared}'/>`]])
    world.nodes.set(`${ada.address} urn:kith:chats:0`, items)
    const read = `<displayed xmlns='urn:xmpp:mds:displayed:0'><stanza-id xmlns='urn:xmpp:sid:0' id='${cleared}'/></displayed>`
    world.nodes.set(`${ada.address} urn:xmpp:mds:displayed:0`, new Map([[ben.address, read]]))
    world.restart(true)
    ada.join()
    await ada.online()
    await ben.app.send(ada.address, 'again')
    await until(async () => (await ada.texts(ben)).join() === 'hello,again')
    expect((await ada.db.chats.get(ben.address))?.unread).toBe(2)
  }
)

test('what was changed without a connection does not undo that the chat was deleted meanwhile', async () => {
  const world = new World()
  const [ada, tablet, ben] = await twoOf(world)
  await ben.app.send(ada.address, 'hello')
  for (const one of [ada, tablet]) await until(async () => (await one.texts(ben)).length === 1)
  tablet.cut()
  await tablet.app.archive(ben.address, true)
  await ada.app.clear([ben.address], true)
  await until(async () => (await ada.db.fact(`unsynced settings ${ben.address}`)) === undefined)
  await ben.app.send(ada.address, 'again')
  world.restart(true)
  for (const one of [ada, ben, tablet]) one.join()
  await until(async () => (await tablet.db.fact(`unsynced settings ${ben.address}`)) === undefined)
  for (const one of [ada, tablet]) await until(async () => (await one.texts(ben)).join() === 'again')
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

test('a pin shows on both sides and all devices, and other apps see no text', async () => {
  const world = new World()
  const [ada, tablet, ben] = await twoOf(world)
  await ben.app.send(ada.address, 'remember')
  for (const one of [ada, tablet]) await until(async () => (await one.texts(ben)).includes('remember'))
  const [message] = await ada.with(ben)
  await ada.app.pinMessage(message?.key ?? '', 86_400)
  const shown = async (one: Device, other: Device) =>
    (await pinned(one.db, other.address, Date.now())).map(({ text }) => text)
  for (const [one, other] of [
    [ada, ben],
    [tablet, ben],
    [ben, ada]
  ] as const)
    await until(async () => (await shown(one, other)).join() === 'remember')
  expect((await ben.with(ada)).at(-1)).toMatchObject({ kind: 'notice', text: 'pinned', mine: false })
  const { inner = '' } = world.log.findLast((entry) => entry.inner.includes('sealed')) ?? {}
  expect(inner).not.toMatch(/<body|<payload|remember|pin/)
  // Whoever of both says the last word has it; and it ends by itself
  await ben.app.pinMessage((await ben.with(ada))[0]?.key ?? '', 0)
  for (const [one, other] of [
    [ada, ben],
    [tablet, ben],
    [ben, ada]
  ] as const)
    await until(async () => (await shown(one, other)).length === 0)
  await ada.app.pinMessage(message?.key ?? '', 86_400)
  expect(await pinned(ada.db, ben.address, Date.now() + 86_400_001)).toEqual([])
})

test('a pin is of this chat, not longer than a month, and three are the most', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const texts = ['1', '2', '3', '4']
  for (const text of texts) await ben.app.send(ada.address, text)
  await until(async () => (await ada.texts(ben)).length === 4)
  for (const { key } of await ada.with(ben)) await ada.app.pinMessage(key, 86_400)
  for (const [one, other] of [
    [ada, ben],
    [ben, ada]
  ] as const)
    await until(
      async () => (await pinned(one.db, other.address, Date.now())).map((it) => it.text).join('') === '432'
    )
  const say = (pin: unknown) => pinIn(JSON.stringify({ pin }), ben.address, ada.address, 1000)
  expect(say({ id: 'x', from: ben.address, until: 1e15 })).toEqual({
    target: `${ben.address} ${ben.address}/x`,
    until: 1000 + LONGEST_PIN
  })
  for (const other of [
    { id: 'x', from: 'cleo@example.org', until: 1 },
    { id: '', from: ben.address, until: 1 },
    { id: 'x', from: ben.address, until: '1' },
    { id: 'x', from: ben.address, until: -1 },
    null,
    []
  ])
    expect(say(other)).toBeUndefined()
  expect(pinIn('pin', ben.address, ada.address, 0)).toBeUndefined()
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

test('a device that was away while the number changed goes on with all that it has', async () => {
  const world = new World()
  const ada = new Device(world, 'ada@example.org')
  turnOffLater(ada)
  let answers = 0
  let movedTo = ''
  ada.deps = {
    // the server can't be reached at first, which is no answer
    whereabouts: async () => {
      answers += 1
      if (answers < 2) throw new Error('offline')
      return 'eve@example.org'
    },
    moved: (address) => (movedTo = address)
  }
  world.tokens.set(ada.agent, 'token')
  await ada.open()
  await ada.online()
  const ben = await device(world, 'ben')
  await ada.app.send(ben.address, 'before')
  await until(async () => (await ben.texts(ada)).length === 1)
  await ada.online()
  world.tokens.delete(ada.agent)
  world.restart(true)
  ada.join()
  await until(() => movedTo !== '')
  expect(ada.live.connection).not.toBe('logged-out')
  expect(await ada.db.keys.count()).toBeGreaterThan(0)
  expect(await ada.db.fact('credential')).toMatchObject({ address: 'eve@example.org' })
  expect((await ada.with(ben)).map(({ text, from }) => [text, from])).toEqual([['before', 'eve@example.org']])
})

test('what the archive has of older addresses is mine, and what I and their next owners write to each other is not', () => {
  const [first, old, me, ben] = ['1st@example.org', 'old@example.org', 'me@example.org', 'ben@example.org']
  const seen = (from: string, to: string) => {
    const stanza = parse(
      `<message xmlns='jabber:client' from='${from}/x' to='${to}' id='1'><body>b</body></message>`
    )
    const came = read(asNow(stanza, me, new Set([first, old])), me, '', 0)
    return [came?.mine, came?.chat, came?.from]
  }
  for (const then of [first, old]) {
    expect(seen(then, ben)).toEqual([true, ben, me])
    expect(seen(ben, then)).toEqual([false, ben, ben])
    expect(seen(then, then)).toEqual([true, me, me])
    // The next owner
    expect(seen(then, me)).toEqual([false, then, then])
    expect(seen(me, then)).toEqual([true, then, me])
  }
  // Of the first number, when the second was mine
  expect(seen(first, old)).toEqual([false, first, first])
  expect(seen(old, first)).toEqual([true, first, me])
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

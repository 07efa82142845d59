import { expect, test } from 'vitest'
import { type Device, device, until } from './people'
import { World } from './world'

test('what is written without a network goes out in order, once, when it is back', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  ada.cut()
  for (const text of ['1', '2', '3']) await ada.app.send(ben.address, text)
  expect((await ada.with(ben)).map((one) => one.progress)).toEqual(['waiting', 'waiting', 'waiting'])
  ada.join()
  await until(async () => (await ben.texts(ada)).length === 3)
  expect(await ben.texts(ada)).toEqual(['1', '2', '3'])
  await until(async () => (await ada.with(ben)).every((one) => one.progress === 'delivered'))
  expect(await ada.texts(ben)).toEqual(['1', '2', '3'])
})

test('a message that nobody can read fails, and does not hold up the next chat', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ada.app.send('nobody@example.org', 'hello?')
  await ada.app.send(ben.address, 'hello')
  await until(async () => (await ben.texts(ada)).length === 1)
  await until(async () => (await ada.db.messages.toArray()).some((one) => one.progress === 'failed'))
  const failed = (await ada.db.messages.toArray()).find((one) => one.progress === 'failed')
  expect(failed?.text).toBe('hello?')
})

test('a message that can not be read is asked for again and takes its place', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  ben.sealed.lost.add(await ada.sealed.device())
  await ada.app.send(ben.address, 'once more')
  await ada.app.send(ben.address, 'next')
  await until(async () => (await ben.with(ada)).every((one) => one.kind === 'text'))
  await until(async () => (await ben.texts(ada)).join() === 'once more,next')
})

test('a revoked token logs out, takes the keys, and leaves the history', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ada.app.send(ben.address, 'kept')
  await ada.online()
  world.tokens.delete(ada.agent)
  world.restart(true)
  ada.join()
  await until(() => ada.live.connection === 'logged-out')
  expect(await ada.db.keys.count()).toBe(0)
  expect(await ada.db.fact('credential')).toBeUndefined()
  expect(await ada.texts(ben)).toEqual(['kept'])
  await ada.app.logOut()
})

test('a failure that goes by does not log out', async () => {
  const world = new World()
  const ada = await device(world, 'ada')
  world.failing = true
  world.restart(true)
  await until(() => ada.live.connection === 'offline')
  ada.join()
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(ada.live.connection).not.toBe('logged-out')
  world.failing = false
  await ada.online()
})

test('a long absence is read newest chat first, with progress, and goes on where it was cut', async () => {
  const world = new World()
  const [ada, ben, cem] = [await device(world, 'ada'), await device(world, 'ben'), await device(world, 'cem')]
  await ben.app.send(ada.address, 'first')
  await until(async () => (await ada.texts(ben)).length === 1)
  ada.cut()
  for (let number = 0; number < 120; number++) await ben.app.send(ada.address, `ben ${number}`)
  await ben.online()
  for (let number = 0; number < 60; number++) await cem.app.send(ada.address, `cem ${number}`)
  await cem.online()
  world.restart(true)
  const seen: number[] = []
  let cut = false
  ada.app.live.subscribe(({ progress }) => {
    if (progress === undefined) return
    seen.push(progress)
    if (progress > 0.5 && !cut) {
      cut = true
      ada.cut()
    }
  })
  ada.join()
  await until(() => cut)
  await until(async () => (await ada.texts(cem)).length === 60)
  await ben.app.send(ada.address, 'last')
  ada.join()
  await until(async () => (await ada.texts(ben)).length === 122)
  expect(await ada.texts(ben)).toEqual([
    'first',
    ...Array.from({ length: 120 }, (_, number) => `ben ${number}`),
    'last'
  ])
  expect(await ada.db.raw.count()).toBe(0)
  expect(seen.length).toBeGreaterThan(2)
  await until(async () => (await ben.with(ada)).every(({ progress }) => progress === 'delivered'))
  await until(async () => (await cem.with(ada)).every(({ progress }) => progress === 'delivered'))
}, 60_000)

test('a new device does not show what was sent before it was there, and no errors for it', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ben.app.send(ada.address, 'before')
  await until(async () => (await ada.texts(ben)).length === 1)
  const second = await device(world, 'ada')
  expect(await second.with(ben)).toEqual([])
  while (await second.app.older(ben.address));
  expect(await second.with(ben)).toEqual([])
  await ben.app.send(ada.address, 'after')
  await until(async () => (await second.texts(ben)).join() === 'after')
})

test('disappearing messages are agreed on, and go on both sides', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ada.app.disappear(ben.address, 1)
  await until(async () => (await ben.db.chats.get(ada.address))?.disappears === 1)
  expect((await ben.with(ada)).map(({ kind, text }) => [kind, text])).toEqual([['notice', 'disappears 1']])
  await ben.app.send(ada.address, 'not for long')
  await until(async () => (await ada.texts(ben)).includes('not for long'))
  for (const [one, other] of [
    [ada, ben],
    [ben, ada]
  ] as const) {
    await until(async () => !(await one.texts(other)).includes('not for long'))
  }
})

test('how long messages stay is what was said last, whatever is read or told later', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const timer = async () => (await ada.db.chats.get(ben.address))?.disappears
  await ada.app.disappear(ben.address, 3600)
  await until(async () => (await ben.db.chats.get(ada.address))?.disappears === 3600)
  await ada.online()
  await ben.app.disappear(ada.address, 0)
  await until(async () => (await timer()) === 0)
  // A new session reads what this account has kept of the chat
  world.restart(true)
  await until(() => ada.live.connection !== 'online')
  await ada.online()
  await ada.app.mute(ben.address, Infinity)
  await until(async () => (await ada.db.fact(`unsynced settings ${ben.address}`)) === undefined)
  expect(await timer()).toBe(0)
  // So does a device that reads the archive from its beginning
  await ada.db.setFact('archive.last', '')
  await ada.db.setFact('archive.heard', '')
  await ada.db.setFact('since', 0)
  world.restart(true)
  await until(() => ada.live.connection !== 'online')
  await ada.online()
  expect(await timer()).toBe(0)
})

test('who sets the time last by the order of the server has it, on all devices, also after a time away', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const second = await device(world, 'ada')
  const timer = async (one: Device, other: Device) => (await one.db.chats.get(other.address))?.disappears
  await ben.app.send(ada.address, 'hello')
  await until(async () => (await second.texts(ben)).length === 1 && (await ada.texts(ben)).length === 1)
  ada.cut()
  await ada.app.disappear(ben.address, 3600)
  await ben.app.disappear(ada.address, 60)
  await until(async () => (await timer(second, ben)) === 60)
  ada.join()
  await ada.online()
  for (const [one, other] of [
    [ada, ben],
    [second, ben],
    [ben, ada]
  ] as const) {
    await until(async () => (await timer(one, other)) === 3600)
  }
  await ben.app.disappear(ada.address, 0)
  await until(async () => (await timer(ada, ben)) === 0 && (await timer(second, ben)) === 0)
})

test('what says that it comes from the future is from now', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const hostile = (content: string) =>
    world.ring({
      ...{ id: '', from: `${ben.address}/evil`, to: ada.address, inner: content, type: 'chat' },
      stanza: `<message xmlns='jabber:client' from='${ben.address}/evil' to='${ada.address}' type='chat' id='evil'>${content}`
    })
  hostile(
    "<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='5'/><delay xmlns='urn:xmpp:delay' stamp='2099-01-01T00:00:00Z'/>"
  )
  await until(async () => (await ada.db.chats.get(ben.address))?.disappears === 5)
  expect((await ada.with(ben)).every(({ at }) => at <= Date.now())).toBe(true)
  await ben.app.disappear(ada.address, 60)
  await until(async () => (await ada.db.chats.get(ben.address))?.disappears === 60)
})

test('what could not be stored comes all the same', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ben.app.send(ada.address, 'first')
  await until(async () => (await ada.texts(ben)).length === 1)
  let failures = 0
  const fail = () => {
    if (failures++ === 0) throw new Error('no room')
  }
  ada.db.messages.hook('creating', fail)
  await ben.app.send(ada.address, 'second')
  await until(() => failures > 0)
  ada.db.messages.hook('creating').unsubscribe(fail)
  ada.join()
  await until(async () => (await ada.texts(ben)).includes('second'))
  expect((await ada.with(ben)).map(({ kind }) => kind)).toEqual(['text', 'text'])
})

test('a message that another device of mine has confirmed is not confirmed again', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const second = await device(world, 'ada')
  const received = () => world.log.filter(({ stanza }) => stanza.toString().includes('<received ')).length
  await ben.app.send(ada.address, 'for both')
  await until(async () => (await second.texts(ben)).length === 1 && (await ada.texts(ben)).length === 1)
  await second.online()
  await ada.online()
  second.cut()
  for (let number = 0; number < 60; number++) await ben.app.send(ada.address, `ben ${number}`)
  await until(async () => (await ada.texts(ben)).length === 61)
  await ada.online()
  const before = received()
  second.join()
  await until(async () => (await second.texts(ben)).length === 61)
  await second.online()
  expect(received()).toBe(before)
})

test('what is forwarded, removed here, or tried again does what it says', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  await ada.app.send('cem@example.org', 'to somebody who is not there yet')
  await until(async () => (await ada.db.messages.toArray()).some(({ progress }) => progress === 'failed'))
  const [failed] = await ada.db.messages.toArray()
  const cem = await device(world, 'cem')
  await ada.app.retry(failed?.key ?? '')
  await until(async () => (await cem.texts(ada)).length === 1)
  await ada.app.forward([failed?.key ?? ''], [ben.address])
  await until(async () => (await ben.with(ada))[0]?.forwarded === true)
  const [got] = await ben.with(ada)
  await ben.app.deleteForMe([got?.key ?? ''])
  world.restart(true)
  await ben.db.setFact('archive.last', '')
  await ben.db.setFact('archive.heard', '')
  ben.join()
  await ben.online()
  expect(await ben.with(ada)).toEqual([])
})

test('a device that is not trusted does not get a message again', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  ada.sealed.fingerprints = async () => []
  ben.sealed.lost.add(await ada.sealed.device())
  await ada.app.send(ben.address, 'secret')
  await until(async () => (await ben.with(ada))[0]?.kind === 'unreadable')
  await ada.app.send(ben.address, 'next')
  await until(async () => (await ben.texts(ada)).includes('next'))
  await ada.online()
  expect((await ben.with(ada))[0]).toMatchObject({ kind: 'unreadable', asked: true })
})

test('it gets it once it is trusted, though the app ended just when that was said', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const trusting = ada.sealed.fingerprints.bind(ada.sealed)
  ada.sealed.fingerprints = async () => []
  ben.sealed.lost.add(await ada.sealed.device())
  await ada.app.send(ben.address, 'secret')
  await until(async () => (await ada.db.fact(`refused ${ben.address}`)) !== undefined)
  ada.sealed.fingerprints = trusting
  world.restart(true)
  await until(async () => (await ben.with(ada))[0]?.kind === 'text')
  expect(await ben.texts(ada)).toEqual(['secret'])
  await until(async () => (await ada.db.fact(`refused ${ben.address}`)) === undefined)
})

test('settings of a chat reach my other devices, also when they were made without a network', async () => {
  const world = new World()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const second = await device(world, 'ada')
  await ben.app.send(ada.address, 'hello')
  await until(async () => (await second.texts(ben)).length === 1 && (await ada.texts(ben)).length === 1)
  ada.cut()
  await ada.app.mute(ben.address, Infinity)
  await ada.app.archive(ben.address, true)
  await ada.app.read(ben.address, (await ada.with(ben))[0]?.key ?? '')
  ada.join()
  await until(async () => {
    const chat = await second.db.chats.get(ben.address)
    return chat?.mutedUntil === Infinity && chat.archived && chat.unread === 0
  })
})

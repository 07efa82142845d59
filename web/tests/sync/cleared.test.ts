/** Chats that are cleared or deleted, on all devices, for good. */
import { expect, test } from 'vitest'
import { device, until, twoOf } from './people'
import { World } from './world'

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

/** Messages of a group that are for the user: they are counted, one can go to them, and they may pass a muted group. */
import { expect, test } from 'vitest'
import { ofChat } from '../../src/local/queries'
import { device, type Device, until } from './people'
import { GroupWorld } from './group-world'

const ADA = 'ada@example.org'
const BEN = 'ben@example.org'

async function two(): Promise<{ ada: Device; ben: Device; address: string; world: GroupWorld }> {
  const world = new GroupWorld()
  const [ada, ben] = [await device(world, 'ada'), await device(world, 'ben')]
  const { address } = world.make('tea', [ADA, BEN])
  for (const one of [ada, ben]) await one.app.group('refresh', address)
  return { ada, ben, address, world }
}

const chat = async (one: Device, address: string) => one.db.chats.get(address)
const texts = async (one: Device, address: string) =>
  (await ofChat(one.db, address).toArray()).filter(({ kind }) => kind === 'text')

test('unread messages that mention or answer me are counted from the first one, until they are read', async () => {
  const { ada, ben, address } = await two()
  await ben.app.send(address, 'from ben')
  await until(async () => (await texts(ada, address)).length === 1)
  const [own] = await texts(ada, address)
  await ada.app.send(address, 'nothing for anybody')
  await ada.app.send(address, '@Ben one', { mentions: [{ jid: BEN, start: 0, end: 4 }] })
  await ada.app.send(address, 'to all', { mentions: [{ jid: '', start: 0, end: 2 }] })
  await ada.app.send(address, 'for ada', { mentions: [{ jid: ADA, start: 0, end: 3 }] })
  await ada.app.send(address, 'an answer', { reply: { id: own?.id ?? '', from: BEN, text: 'from ben' } })
  await until(async () => (await texts(ben, address)).length === 6)
  const all = await texts(ben, address)
  const keyOf = (text: string) => all.find((one) => one.text === text)?.key ?? ''
  expect(await chat(ben, address)).toMatchObject({ mentions: 3, firstMention: keyOf('@Ben one') })
  await ben.app.read(address, keyOf('@Ben one'))
  expect(await chat(ben, address)).toMatchObject({ mentions: 2, firstMention: keyOf('to all') })
  await ben.app.deleteForMe([keyOf('to all')])
  expect(await chat(ben, address)).toMatchObject({ mentions: 1, firstMention: keyOf('an answer') })
  await ada.app.deleteForEveryone((await texts(ada, address)).at(-1)?.key ?? '')
  await until(async () => (await chat(ben, address))?.mentions === 0)
  await ben.app.read(address, keyOf('for ada'))
  expect(await chat(ben, address)).toMatchObject({ mentions: 0, firstMention: '' })
})

test('a mention that could not be read at first is counted once it can', async () => {
  const { ada, ben, address } = await two()
  await ada.app.send(address, 'first')
  await until(async () => (await texts(ben, address)).length === 1)
  ben.sealed.lost.add(await ada.sealed.device())
  await ada.app.send(address, '@Ben', { mentions: [{ jid: BEN, start: 0, end: 4 }] })
  await until(async () => (await chat(ben, address))?.mentions === 1)
  expect(await chat(ben, address)).toMatchObject({ unread: 2 })
})

test('a muted group tells of what is for me, unless that is muted as well, on all of my devices', async () => {
  const { ada, ben, address, world } = await two()
  const phone = await device(world, 'ben')
  const told: string[] = []
  for (const one of [ben, phone]) one.app.onNews(({ text }) => told.push(text))
  const write = async (text: string) => {
    await ada.app.send(address, text, { mentions: [{ jid: BEN, start: 0, end: 1 }] })
    await ada.app.send(address, `${text}, not for me`)
    for (const one of [ben, phone])
      await until(async () => (await texts(one, address)).some((each) => each.text === `${text}, not for me`))
  }
  await ben.app.mute(address, Infinity)
  await until(async () => (await chat(phone, address))?.mutedUntil === Infinity)
  await write('one')
  await until(() => told.length === 2)
  await phone.app.muteMentions(address, true)
  await until(async () => (await chat(ben, address))?.mentionsMuted === true)
  await write('two')
  await ben.app.mute(address, 0)
  await until(async () => (await chat(phone, address))?.mutedUntil === 0)
  await write('three')
  await until(() => told.length === 6)
  await new Promise((done) => setTimeout(done, 50))
  expect(told.filter((text) => text.includes('one') || text.includes('two'))).toEqual(['one', 'one'])
})

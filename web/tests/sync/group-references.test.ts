/** Whatever order things arrive in: what is said about a message of a group takes effect, and people stay who they are. */
import { expect, test } from 'vitest'
import { ofChat } from '../../src/local/queries'
import type { Message } from '../../src/local/types'
import { device, type Device, until } from './people'
import { GroupWorld } from './group-world'

const ADA = 'ada@example.org'
const BEN = 'ben@example.org'
const CEM = 'cem@example.org'
const NEW = 'benjamin@example.org'

async function texts(one: Device, group: string): Promise<Message[]> {
  return (await ofChat(one.db, group).toArray()).filter(({ kind }) => kind !== 'notice')
}

async function of(one: Device, group: string, text: string): Promise<Message | undefined> {
  return (await texts(one, group)).find((message) => message.text === text)
}

async function three(): Promise<{ world: GroupWorld; all: [Device, Device, Device]; address: string }> {
  const world = new GroupWorld()
  const all = [await device(world, 'ada'), await device(world, 'ben'), await device(world, 'cem')] as const
  const { address } = world.make('tea', [ADA, BEN, CEM])
  for (const one of all) await one.app.group('refresh', address)
  return { world, all: [...all], address }
}

test('what is said about messages that are not here takes effect when they come', async () => {
  const { world, all, address } = await three()
  const [ada, ben, cem] = all
  const group = world.groups.get(address)
  cem.cut()
  for (const text of ['react', 'delete', 'moderate', 'pin']) await ada.app.send(address, text)
  const options = [
    { id: 'a', text: 'Green' },
    { id: 'b', text: 'Black' }
  ]
  await ada.app.send(address, 'poll', { poll: { question: 'Which?', options, several: false } })
  await until(async () => (await texts(ben, address)).length === 5)
  await ada.online()
  const late = world.log.filter(({ to, inner }) => to === CEM && inner.includes('payload'))
  expect(late).toHaveLength(5)
  world.log.splice(0, world.log.length, ...world.log.filter((entry) => !late.includes(entry)))
  await ben.app.react((await of(ben, address, 'react'))?.key ?? '', ['🎉'])
  await ada.app.deleteForEveryone((await of(ada, address, 'delete'))?.key ?? '')
  await ben.app.pinMessage((await of(ben, address, 'pin'))?.key ?? '', 3600)
  await ben.app.vote((await of(ben, address, 'poll'))?.key ?? '', ['b'])
  const moderated = (await of(ada, address, 'moderate'))?.archive ?? ''
  await until(async () => Object.keys((await of(ada, address, 'poll'))?.votes ?? {}).length === 1)
  if (group)
    world.tell(
      group,
      `<retract xmlns='urn:xmpp:message-retract:1' id='${moderated}'><moderated xmlns='urn:xmpp:message-moderate:1' by='${address}/ben'/></retract>`
    )
  await ada.app.send(address, 'end')
  for (const one of [ada, ben]) await one.online()
  world.restart(true)
  cem.join()
  await until(async () => (await of(cem, address, 'end')) !== undefined)
  expect((await texts(cem, address)).map(({ text }) => text)).toEqual(['end'])
  for (const entry of late) world.ring(entry)
  await ada.app.send(address, 'after all')
  await until(async () => (await of(cem, address, 'after all')) !== undefined)
  expect(await of(cem, address, 'react')).toMatchObject({ reactions: { [BEN]: ['🎉'] } })
  expect((await of(cem, address, 'pin'))?.pinned).toBeGreaterThan(0)
  expect(await of(cem, address, 'poll')).toMatchObject({ votes: { [BEN]: ['b'] } })
  const deleted = (await texts(cem, address)).filter(({ kind }) => kind === 'deleted')
  expect(deleted.map(({ deletedBy }) => deletedBy)).toEqual([undefined, address])
})

test('who is new reads what was said before, as it reads now, and it is not unread', async () => {
  const { world, all, address } = await three()
  const [ada, ben, cem] = all
  const group = world.groups.get(address)
  if (!group) throw new Error('no group')
  group.settings = `<settings invite='members' change='members' expire='0' history='true'/>`
  for (const one of all) await one.app.group('refresh', address)
  await ada.app.send(address, 'one')
  await until(async () => (await of(ben, address, 'one')) !== undefined)
  await ben.app.send(address, 'two', { mentions: [{ jid: ADA, start: 0, end: 3 }] })
  await until(async () => (await of(ada, address, 'two')) !== undefined)
  const mine = await of(ada, address, 'one')
  await ben.app.send(address, 'three', { reply: { id: mine?.id ?? '', from: ADA, text: 'one' } })
  await until(async () => (await of(ada, address, 'three')) !== undefined)
  await ada.app.edit(mine?.key ?? '', 'one, really')
  await until(async () => (await of(ben, address, 'one, really')) !== undefined)
  await ada.online()
  const dan = await device(world, 'dan')
  world.newcomers.set('dan@example.org', world.nextId())
  world.affiliate(group, 'dan@example.org', 'member')
  await until(async () => (await texts(dan, address)).length === 3)
  await ben.app.send(address, 'welcome')
  await until(async () => (await of(dan, address, 'welcome')) !== undefined)
  expect((await texts(dan, address)).map(({ text, from, passedBy }) => [text, from, passedBy])).toEqual([
    ['one, really', ADA, ADA],
    ['two', BEN, ADA],
    ['three', BEN, ADA],
    ['welcome', BEN, undefined]
  ])
  expect(await of(dan, address, 'three')).toMatchObject({ reply: { from: ADA, text: 'one, really' } })
  expect((await of(dan, address, 'two'))?.mentions).toEqual([{ jid: ADA, start: 0, end: 3 }])
  const { unread, mentions = 0 } = (await dan.db.chats.get(address)) ?? {}
  expect([unread, mentions]).toEqual([1, 0])
  for (const one of [ben, cem]) expect((await texts(one, address)).length).toBe(4)
  // what its author does with it later has its effect
  await ben.app.edit((await of(ben, address, 'two'))?.key ?? '', 'two, too')
  await ada.app.react((await of(ada, address, 'three'))?.key ?? '', ['🎉'])
  await until(async () => (await of(dan, address, 'two, too')) !== undefined)
  await until(async () => (await of(dan, address, 'three'))?.reactions[ADA] !== undefined)
  expect((await texts(dan, address)).length).toBe(4)
})

test('a member with a new number keeps what they have written, and nobody else gets it', async () => {
  const { world, all, address } = await three()
  const [ada, ben, cem] = all
  const group = world.groups.get(address)
  if (!group) throw new Error('no group')
  await ben.app.send(address, 'before')
  await until(async () => (await of(cem, address, 'before')) !== undefined)
  await ada.app.react((await of(ada, address, 'before'))?.key ?? '', ['🎉'])
  await ben.app.react((await of(ben, address, 'before'))?.key ?? '', ['👍'])
  await until(async () => Object.keys((await of(cem, address, 'before'))?.reactions ?? {}).length === 2)
  const early = world.log.find(({ to, from }) => to === CEM && from.endsWith('/ben'))
  world.move(group, BEN, NEW)
  await ben.close()
  const there = await device(world, 'benjamin')
  await there.app.group('refresh', address)
  await there.app.send(address, 'after')
  await until(async () => (await of(cem, address, 'after')) !== undefined)
  for (const one of [ada, cem]) {
    const mine = (await texts(one, address)).map(({ text, from }) => [text, from])
    expect(mine).toEqual([
      ['before', NEW],
      ['after', NEW]
    ])
    const { reactions, key } = (await of(one, address, 'before')) ?? {}
    expect(reactions).toEqual({ [ADA]: ['🎉'], [NEW]: ['👍'] })
    expect(key?.startsWith(`${address} ${NEW}/`)).toBe(true)
    const members = await one.db.members.where('group').equals(address).toArray()
    expect(members.map(({ jid }) => jid).sort()).toEqual([ADA, NEW, CEM])
  }
  // the same message once more, from the archive, is the same message
  if (early) world.ring(early)
  // somebody else has the former number now
  const other = await device(world, 'ben')
  world.affiliate(group, BEN, 'member')
  await other.app.group('refresh', address)
  await other.app.send(address, 'who am I?')
  await until(async () => (await of(cem, address, 'who am I?')) !== undefined)
  expect((await texts(cem, address)).map(({ from }) => from)).toEqual([NEW, NEW, BEN])
  const notices = (await ofChat(cem.db, address).toArray()).filter(({ change }) => change)
  expect(notices[0]?.change?.members[0]).toMatchObject({ jid: NEW, moved: BEN })
})

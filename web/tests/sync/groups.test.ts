/** Groups: everybody who is in one reads everything, once and in one order; who is not, nothing. */
import { expect, test } from 'vitest'
import { ofChat } from '../../src/local/queries'
import type { Message } from '../../src/local/types'
import { device, type Device, until } from './people'
import { GroupWorld } from './group-world'

const ADA = 'ada@example.org'
const BEN = 'ben@example.org'
const CEM = 'cem@example.org'

async function rows(one: Device, group: string): Promise<Message[]> {
  return ofChat(one.db, group).toArray()
}

async function said(one: Device, group: string): Promise<string[]> {
  return (await rows(one, group)).filter(({ kind }) => kind !== 'notice').map(({ text }) => text)
}

async function three(): Promise<{ world: GroupWorld; all: [Device, Device, Device] }> {
  const world = new GroupWorld()
  return { world, all: [await device(world, 'ada'), await device(world, 'ben'), await device(world, 'cem')] }
}

test('what somebody writes is read by all, with its author, and encrypted', async () => {
  const { world, all } = await three()
  const [ada, ben, cem] = all
  const { group } = await ada.app.group('create', 'a'.repeat(16), 'Tea', '', [BEN, CEM], {})
  await ben.app.send(group, 'from ben')
  await until(async () => (await said(cem, group)).join() === 'from ben')
  await cem.app.send(group, 'from cem')
  for (const one of all) await until(async () => (await said(one, group)).join() === 'from ben,from cem')
  const seen = (await rows(ada, group)).filter(({ kind }) => kind === 'text')
  expect(seen.map(({ from, mine, encrypted }) => [from, mine, encrypted])).toEqual([
    [BEN, false, true],
    [CEM, false, true]
  ])
  expect(world.log.some(({ inner }) => inner.includes('<body>from'))).toBe(false)
  expect((await ada.db.contacts.get(group))?.nick).toBe('Tea')
  expect((await ada.db.chats.get(group))?.unread).toBe(2)
  expect((await rows(ben, group)).at(0)).toMatchObject({ kind: 'notice', text: 'group' })
  await until(async () =>
    (await rows(ben, group)).every(({ mine, progress }) => !mine || progress === 'sent')
  )
})

test('a message for members that have changed is encrypted again, and those who follow stay behind it', async () => {
  const { world, all } = await three()
  const [ada, ben, cem] = all
  const group = world.make('tea', [ADA, BEN])
  await ada.app.group('refresh', group.address)
  await ada.app.send(group.address, 'one')
  await until(async () => (await said(ben, group.address)).length === 1)
  world.before = () => {
    world.before = undefined
    world.holding = true // ada does not know of it yet
    world.affiliate(group, CEM, 'member')
    world.late()
  }
  for (const text of ['two', 'three', 'four']) await ada.app.send(group.address, text)
  await until(async () => (await said(cem, group.address)).join() === 'two,three,four')
  await until(async () => (await said(ben, group.address)).join() === 'one,two,three,four')
  await ada.online()
  expect(world.stale).toBeGreaterThan(0)
  expect((await rows(ada, group.address)).map(({ text }) => text)).toContain('four')
})

test('what is written without a connection goes out once, and what was missed comes in order', async () => {
  const { world, all } = await three()
  const [ada, ben] = all
  const { address } = world.make('tea', [ADA, BEN])
  await ada.app.group('refresh', address)
  await ben.app.group('refresh', address)
  ben.cut()
  await ada.app.send(address, 'while ben was away')
  await ben.app.send(address, 'on the train')
  await ada.online()
  world.restart(true)
  ben.join()
  for (const one of [ada, ben])
    await until(async () => (await said(one, address)).join() === 'while ben was away,on the train')
  await ben.online()
  expect(world.log.filter(({ to, inner }) => to === ADA && inner.includes('payload'))).toHaveLength(2)
})

test('who was removed writes no more, and keeps what there was', async () => {
  const { world, all } = await three()
  const [ada, ben] = all
  const group = world.make('tea', [ADA, BEN, CEM])
  for (const one of all) await one.app.group('refresh', group.address)
  await ada.app.send(group.address, 'before')
  await until(async () => (await said(ben, group.address)).length === 1)
  world.affiliate(group, BEN, 'none')
  await until(async () => (await ben.db.groups.get(group.address))?.affiliation === 'none')
  await ada.app.send(group.address, 'after')
  await until(async () => (await said(all[2], group.address)).length === 2)
  expect(await said(ben, group.address)).toEqual(['before'])
  await ben.app.send(group.address, 'me too')
  await until(async () => (await rows(ben, group.address)).some(({ progress }) => progress === 'failed'))
  expect((await rows(ben, group.address)).at(-1)).toMatchObject({ failure: 'refused' })
})

test('a message that can not be read is asked for and takes its place', async () => {
  const { world, all } = await three()
  const [ada, ben] = all
  const { address } = world.make('tea', [ADA, BEN, CEM])
  for (const one of all) await one.app.group('refresh', address)
  await ada.app.send(address, 'first')
  await until(async () => (await said(ben, address)).length === 1)
  ben.sealed.lost.add(await ada.sealed.device())
  await ada.app.send(address, 'lost and found', {
    mentions: [{ jid: BEN, start: 0, end: 4 }]
  })
  await until(async () => (await said(ben, address)).join() === 'first,lost and found')
  expect((await rows(ben, address)).at(-1)).toMatchObject({
    ...{ kind: 'text', from: ADA, encrypted: true, mentions: [{ jid: BEN, start: 0, end: 4 }] }
  })
  expect(await ben.with(ada)).toEqual([])
})

test('reactions, edits, replies and deletions name messages of anybody', async () => {
  const { world, all } = await three()
  const [ada, ben, cem] = all
  const { address } = world.make('tea', [ADA, BEN, CEM])
  for (const one of all) await one.app.group('refresh', address)
  await ada.app.send(address, 'hello')
  await until(async () => (await said(cem, address)).length === 1)
  const at = async (one: Device, text: string) =>
    (await rows(one, address)).find((message) => message.text === text) as Message
  await cem.app.react((await at(cem, 'hello')).key, ['🎉'])
  await until(async () => (await at(ben, 'hello')).reactions[CEM]?.join() === '🎉')
  await until(async () => (await at(ada, 'hello')).reactions[CEM]?.join() === '🎉')
  const quoted = await at(ben, 'hello')
  await ben.app.send(address, 'answer', { reply: { id: quoted.id, from: ADA, text: 'hello' } })
  await until(async () => (await said(cem, address)).includes('answer'))
  expect((await at(cem, 'answer')).reply).toEqual({ id: quoted.id, from: ADA, text: 'hello' })
  await ada.app.edit((await at(ada, 'hello')).key, 'hello all')
  await until(async () => (await said(cem, address)).includes('hello all'))
  expect((await at(cem, 'hello all')).edits?.[0]?.text).toBe('hello')
  await ada.app.deleteForEveryone((await at(ada, 'hello all')).key)
  await until(async () => (await rows(ben, address)).some(({ kind }) => kind === 'deleted'))
  await ada.online()
})

test('polls count the last vote of each, until their author closes them', async () => {
  const { world, all } = await three()
  const [ada, ben, cem] = all
  const { address } = world.make('tea', [ADA, BEN, CEM])
  for (const one of all) await one.app.group('refresh', address)
  const options = [
    { id: 'a', text: 'Green' },
    { id: 'b', text: 'Black' }
  ]
  await ada.app.send(address, 'Which?\n1. Green\n2. Black', {
    poll: { question: 'Which?', options, several: false }
  })
  const poll = async (one: Device) => (await rows(one, address)).find((message) => message.poll)
  await until(async () => (await poll(cem)) !== undefined && (await poll(ben)) !== undefined)
  await ben.app.vote((await poll(ben))?.key ?? '', ['a'])
  await cem.app.vote((await poll(cem))?.key ?? '', ['a', 'b'])
  await until(async () => Object.keys((await poll(ada))?.votes ?? {}).length === 2)
  await cem.app.vote((await poll(cem))?.key ?? '', ['b'])
  for (const one of all) await until(async () => JSON.stringify((await poll(one))?.votes?.[CEM]) === '["b"]')
  expect((await poll(ada))?.votes).toEqual({ [BEN]: ['a'], [CEM]: ['b'] })
  await ada.app.closePoll((await poll(ada))?.key ?? '')
  for (const one of all) await until(async () => (await poll(one))?.closed === true)
  expect(await said(cem, address)).toHaveLength(1)
})

test('nobody puts something into a group by writing to a member alone', async () => {
  const { world, all } = await three()
  const [ada, ben] = all
  const { address } = world.make('tea', [ADA, BEN])
  for (const one of [ada, ben]) await one.app.group('refresh', address)
  await ada.app.send(address, 'real')
  await until(async () => (await said(ben, address)).length === 1)
  const head = `xmlns='jabber:client' to='${BEN}/x'`
  const id = `<stanza-id xmlns='urn:xmpp:sid:0' by='${BEN}' id='${world.nextId()}'/>`
  for (const frame of [
    `<message ${head} from='${address}/ada' type='chat' id='p'><body>private</body>${id}</message>`,
    `<message ${head} from='tea@groups.evil.org/ada' type='groupchat' id='e'><body>elsewhere</body>${id}</message>`,
    `<message ${head} from='${CEM}/y' type='chat' id='r'><resent xmlns='urn:kith:resend:0' id='none' group='${address}'/><body>forged</body>${id}</message>`,
    `<message ${head} from='${CEM}/y' type='chat' id='c'><change xmlns='urn:kith:groups:0' by='${ADA}' number='99'><name>Mine</name></change><body>x</body></message>`
  ])
    world.give(ben, frame)
  await ada.app.send(address, 'end')
  await until(async () => (await said(ben, address)).includes('end'))
  expect(await said(ben, address)).toEqual(['real', 'end'])
  expect(await ben.db.groups.get(address)).toMatchObject({ name: 'tea', number: 1 })
})

test('a group that was encrypted stays so, whatever its settings become', async () => {
  const { world, all } = await three()
  const [ada, ben] = all
  const group = world.make('tea', [ADA, BEN])
  await ada.app.group('refresh', group.address)
  group.settings = `<settings open='true' public='true' invite='members' change='members' expire='0'/>`
  group.number += 1
  await ada.app.group('refresh', group.address)
  await ada.app.send(group.address, 'secret')
  await until(async () => (await said(ben, group.address)).includes('secret'))
  expect(world.log.some(({ inner }) => inner.includes('>secret<'))).toBe(false)
  const open = world.make('open', [ADA, BEN])
  open.settings = group.settings
  await ada.app.group('refresh', open.address)
  await ada.app.send(open.address, 'for anybody')
  await until(async () => (await said(ben, open.address)).includes('for anybody'))
  expect((await rows(ben, open.address)).at(-1)).toMatchObject({ encrypted: false })
})

test('a history from another device or a backup says who has written in a group, or brings nothing', async () => {
  const { world, all } = await three()
  const [ada, ben] = all
  const { address } = world.make('tea', [ADA, BEN])
  for (const one of [ada, ben]) await one.app.group('refresh', address)
  await ada.app.send(address, 'real')
  await until(async () => (await said(ben, address)).length === 1)
  const order = (await rows(ben, address)).at(-1)?.order ?? ''
  const record = {
    ...{ type: 'message', v: 1, chat: address, id: 'x', mine: false, order, kind: 'text' },
    ...{ text: 'forged', progress: 'read', encrypted: true }
  }
  expect(await ben.app.mergeRecords([record as never])).toBe(0)
  expect(await said(ben, address)).toEqual(['real'])
  expect(await ben.app.mergeRecords([{ ...record, author: ADA, text: 'before' } as never])).toBe(1)
  expect((await rows(ben, address)).map(({ from, text }) => [from, text])).toEqual([
    [ADA, 'real'],
    [ADA, 'before']
  ])
})

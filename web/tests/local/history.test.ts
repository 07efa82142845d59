import 'fake-indexeddb/auto'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Database } from '../../src/local/database'
import { addChange, changeKey } from '../../src/local/changes'
import { readTo } from '../../src/local/chats'
import { forget } from '../../src/local/deletion'
import { addMessage } from '../../src/local/messages'
import { ofChat, after, around, before, chatList, newest } from '../../src/local/queries'
import { messageKey, orderOf, timeOf } from '../../src/local/order'
import { search } from '../../src/local/search'
import type { Change, Message } from '../../src/local/types'
import { Work } from '../../src/local/work'
import { Expiry } from '../../src/sync/expiry'

const ME = 'ada@example.org'
const BEN = 'ben@example.org'
let db: Database
let count = 0

beforeEach(() => (db = new Database(`history ${++count}`)))
afterEach(() => db.delete())

/** The archive's id of that place. */
const id = (place: number) => (1.7e12 + place).toString(16).padStart(11, '0') + '00000'

function message(place: number, mine = false, text = `text ${place}`): Message {
  const from = mine ? ME : BEN
  return {
    ...{ key: messageKey(BEN, from, mine, `m${place}`), chat: BEN, from, mine, id: `m${place}` },
    ...{ at: timeOf(id(place)), order: orderOf(id(place), 0), kind: 'text', text },
    ...{ progress: mine ? 'sent' : 'read', reactions: {}, encrypted: true }
  }
}

function change(
  kind: Change['kind'],
  of: Message,
  from: string,
  place: number,
  more: Partial<Change> = {}
): Change {
  const key = changeKey(kind, of.key, from)
  return { key, target: of.key, kind, from, order: id(place), encrypted: true, ...more }
}

const add = (...all: Message[]) =>
  Work.run(db, async (work) => {
    for (const one of all) await addMessage(work, ME, one)
  })
const say = (...all: Change[]) =>
  Work.run(db, async (work) => {
    for (const one of all) await addChange(work, ME, one)
  })

test('messages and what is said about them end the same in whatever order they come', async () => {
  const messages = [message(1), message(2, true), message(3), message(4, true)]
  const [first, second, third, fourth] = messages as [Message, Message, Message, Message]
  const things: (Message | Change)[] = [
    ...messages,
    change('edit', first, BEN, 5, { text: 'older' }),
    change('edit', first, BEN, 6, { text: 'newer' }),
    change('edit', first, ME, 7, { text: 'not by its sender' }),
    change('edit', third, BEN, 7, { text: 'in the clear', encrypted: false }),
    change('reaction', second, BEN, 8, { emojis: ['👍'] }),
    change('reaction', second, BEN, 9, { emojis: ['❤️'] }),
    change('reaction', second, BEN, 8, { emojis: ['late'] }),
    change('retraction', third, BEN, 10),
    change('received', second, BEN, 11),
    change('displayed', fourth, BEN, 12),
    change('displayed', first, ME, 13)
  ]
  const end = async (order: (Message | Change)[]) => {
    const own = new Database(`order ${++count}`)
    try {
      for (const one of order) {
        await Work.run(own, async (work) => {
          if ('target' in one) await addChange(work, ME, one)
          else await addMessage(work, ME, one)
        })
      }
      const { unread, last, readTo } = (await own.chats.get(BEN)) ?? {}
      return { messages: await ofChat(own, BEN).toArray(), chat: { unread, last, readTo } }
    } finally {
      await own.delete()
    }
  }
  const expected = await end(things)
  expect(expected.messages.map(({ kind, text }) => [kind, text])).toEqual([
    ['text', 'newer'],
    ['text', 'text 2'],
    ['deleted', ''],
    ['text', 'text 4']
  ])
  expect(expected.messages[1]?.reactions).toEqual({ [BEN]: ['❤️'] })
  expect(expected.messages.filter(({ mine }) => mine).map(({ progress }) => progress)).toEqual([
    'read',
    'read'
  ])
  expect(expected.chat.unread).toBe(0)
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(things, { minLength: things.length }), async (order) => {
      expect(await end(order)).toEqual(expected)
    }),
    { numRuns: 40 }
  )
}, 60_000)

test('what was deleted here does not come back from the archive', async () => {
  await add(message(1), message(2))
  await Work.run(db, (work) => forget(work, [message(2).key]))
  await add(message(2))
  expect((await ofChat(db, BEN).toArray()).map(({ text }) => text)).toEqual(['text 1'])
  expect((await db.chats.get(BEN))?.last).toBe(message(1).key)
})

test('unread messages are counted from where I have read', async () => {
  await add(message(1), message(2), message(3))
  expect(await db.chats.get(BEN)).toMatchObject({ unread: 3, firstUnread: message(1).key })
  await Work.run(db, (work) => readTo(work, BEN, id(2)))
  expect(await db.chats.get(BEN)).toMatchObject({ unread: 1, firstUnread: message(3).key })
  await add(message(4, true))
  expect(await db.chats.get(BEN)).toMatchObject({ unread: 0, firstUnread: '' })
})

test('a message that could not be read is replaced in its place', async () => {
  await add({ ...message(1), kind: 'unreadable', text: '' }, message(2))
  await add({ ...message(9, false, 'at last'), key: message(1).key, id: 'm1' })
  expect((await ofChat(db, BEN).toArray()).map(({ text }) => text)).toEqual(['at last', 'text 2'])
  await add({ ...message(9, false, 'forged'), key: message(2).key, id: 'm2' })
  expect((await ofChat(db, BEN).toArray()).map(({ text }) => text)).toEqual(['at last', 'text 2'])
})

test('windows of a conversation fit together without a gap', async () => {
  const all = Array.from({ length: 50 }, (_, place) => message(place, place % 3 === 0))
  await add(...all)
  const last = await newest(db, BEN, 20)
  const earlier = await before(db, last[0] as Message, 20)
  expect([...earlier, ...last].map(({ text }) => text)).toEqual(all.slice(10).map(({ text }) => text))
  expect((await after(db, earlier.at(-1) as Message, 20)).map(({ key }) => key)).toEqual(
    last.map(({ key }) => key)
  )
  const middle = await around(db, all[25]?.key ?? '', 10)
  expect(middle.map(({ text }) => text)).toEqual(all.slice(20, 31).map(({ text }) => text))
})

test('the list of chats has pinned ones first, then the newest', async () => {
  await add(message(1))
  for (const [place, address] of ['cem@example.org', 'dee@example.org'].entries()) {
    const one = message(place + 2)
    await add({ ...one, chat: address, from: address, key: `${address} ${address}/${one.id}` })
  }
  await db.chats.update(BEN, { pinned: 1 })
  const rows = await chatList(db)
  expect(rows.map(({ chat }) => chat.address)).toEqual([BEN, 'dee@example.org', 'cem@example.org'])
  expect(rows[0]?.last?.text).toBe('text 1')
})

test('the search finds by the beginnings of words, without case and accents, in what stands there now', async () => {
  await add(
    message(1, false, 'Café in Zürich tomorrow'),
    message(2, false, 'cafeteria'),
    message(3, false, 'tea')
  )
  expect(await search(db, 'CAFE')).toEqual([message(2).key, message(1).key])
  expect(await search(db, 'caf zur')).toEqual([message(1).key])
  await say(change('edit', message(1), BEN, 9, { text: 'no more coffee' }))
  expect(await search(db, 'cafe')).toEqual([message(2).key])
  await say(change('retraction', message(2), BEN, 10))
  expect(await search(db, 'cafe')).toEqual([])
  expect(await search(db, '  ')).toEqual([])
})

test('the search finds an emoji, a sign, and a part inside of a word', async () => {
  await add(
    message(1, false, 'so schön ❤️'),
    message(2, false, 'Frühstück um 8'),
    message(3, false, 'thumbs 👍🏽 up'),
    message(4, false, '50% off')
  )
  const other = { ...message(5, false, 'Frühstück'), chat: 'cem@example.org', from: 'cem@example.org' }
  await add({ ...other, key: messageKey(other.chat, other.from, false, 'm5') })
  expect(await search(db, '❤')).toEqual([message(1).key])
  expect(await search(db, '❤️')).toEqual([message(1).key])
  expect(await search(db, '👍')).toEqual([message(3).key])
  expect(await search(db, 'stuck 8')).toEqual([message(2).key])
  expect(await search(db, 'STÜCK', BEN)).toEqual([message(2).key])
  expect(await search(db, 'stück')).toHaveLength(2)
  expect(await search(db, '50%')).toEqual([message(4).key])
  await say(change('retraction', message(2), BEN, 10))
  expect(await search(db, 'stück', BEN)).toEqual([])
  expect(await search(db, '🎉')).toEqual([])
})

test('messages whose time was over while the app was closed are gone when it starts', async () => {
  await add({ ...message(1), expires: 1000 }, { ...message(2), expires: 5000 }, message(3))
  const expiry = new Expiry(db, () => 2000)
  await expiry.run()
  expiry.stop()
  expect((await ofChat(db, BEN).toArray()).map(({ text }) => text)).toEqual(['text 2', 'text 3'])
  expect(await search(db, 'text')).toHaveLength(2)
})

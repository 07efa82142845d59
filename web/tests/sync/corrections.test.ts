/** Corrections (XEP-0308), reactions and retractions that name them, in any order. */
import 'fake-indexeddb/auto'
import { expect, test } from 'vitest'
import { named } from '../../src/local/naming'
import { search } from '../../src/local/search'
import {
  ADA,
  BEN,
  Reader,
  START,
  archive,
  correction,
  inAnyOrder,
  reaction,
  retraction,
  text
} from './reader'

test('a correction of a correction changes the message, whichever comes first', async () => {
  await inAnyOrder(
    [
      text(1, 'm', 'helo'),
      correction(2, 'c1', 'm', 'hello'),
      correction(3, 'c2', 'c1', 'hello!'),
      correction(4, 'c3', 'c2', 'hello, you!'),
      text(5, 'n', 'next')
    ],
    [
      { kind: 'text', text: 'hello, you!', id: 'm' },
      { kind: 'text', text: 'next' }
    ]
  )
}, 60_000)

test('a correction of a message that is not here shows its text, until the message comes', async () => {
  const reader = new Reader()
  await reader.take(correction(2, 'c1', 'm', 'what was meant'))
  expect(await reader.seen()).toMatchObject([{ kind: 'text', text: 'what was meant' }])
  expect((await reader.db.chats.get(BEN))?.unread).toBe(1)
  expect(reader.news.map(({ text }) => text)).toEqual(['what was meant'])
  await reader.take(correction(3, 'c2', 'c1', 'what was really meant'))
  expect(await reader.seen()).toMatchObject([{ text: 'what was really meant' }])
  await reader.take(text(1, 'm', 'at first'))
  expect(await reader.seen()).toMatchObject([{ text: 'what was really meant', order: archive(1) }])
  expect((await reader.db.chats.get(BEN))?.unread).toBe(1)
  expect(await search(reader.db, 'really')).toHaveLength(1)
})

test('reactions and a retraction that name a correction are about the message', async () => {
  await inAnyOrder(
    [
      text(1, 'm', 'helo'),
      correction(2, 'c1', 'm', 'hello'),
      reaction(3, 'c1', '👍', ADA),
      reaction(4, 'm', '🎉'),
      text(5, 'n', 'next')
    ],
    [
      { text: 'hello', reactions: { [ADA]: ['👍'], [BEN]: ['🎉'] } },
      { text: 'next', reactions: {} }
    ]
  )
  await inAnyOrder(
    [
      text(1, 'm', 'secret'),
      correction(2, 'c1', 'm', 'more secret'),
      retraction(3, 'c1'),
      text(4, 'n', 'next')
    ],
    [{ kind: 'deleted', text: '' }, { text: 'next' }]
  )
}, 60_000)

test('corrections that name each other, or themselves, show a text each and end', async () => {
  const reader = new Reader()
  await reader.take(
    correction(1, 'x', 'y', 'one'),
    correction(2, 'y', 'x', 'two'),
    correction(3, 'z', 'z', 'three')
  )
  const texts = (await reader.messages()).map(({ text }) => text)
  expect(texts.length).toBeGreaterThanOrEqual(2)
  expect(texts).toContain('three')
})

test('others can neither correct nor take back what I wrote, by no id', async () => {
  const reader = new Reader()
  await reader.take(
    { ...text(1, 'm', 'mine'), from: ADA },
    correction(2, 'c', 'm', 'theirs'),
    retraction(3, 'm')
  )
  const [mine] = await reader.messages()
  expect(mine).toMatchObject({ kind: 'text', text: 'mine', mine: true })
})

test('a device that was not there yet does not show what was taken back before', async () => {
  const tombstone = (place: number, id: string) => ({
    ...{ place, id },
    inner: `<retracted xmlns='urn:xmpp:message-retract:1' id='r' stamp='2023-01-01T00:00:00Z'/>`
  })
  const reader = new Reader()
  await reader.db.setFact('since', START + 10)
  await reader.take(tombstone(5, 'before'), tombstone(15, 'after'))
  expect(await reader.seen()).toMatchObject([{ kind: 'deleted', id: 'after' }])
})

test('a message is found by every id that names it', async () => {
  const reader = new Reader()
  await reader.take(text(1, 'm', 'one'), correction(2, 'c', 'm', 'two'))
  expect((await named(reader.db, ADA, BEN, 'c'))?.id).toBe('m')
  expect((await named(reader.db, ADA, BEN, 'm'))?.text).toBe('two')
  expect(await named(reader.db, ADA, BEN, 'other')).toBeUndefined()
})

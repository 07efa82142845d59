/** What an answer quotes: what was written, and nothing once that was deleted. */
import 'fake-indexeddb/auto'
import { expect, test } from 'vitest'
import { search } from '../../src/local/search'
import { ADA, BEN, Reader, answer, correction, inAnyOrder, retraction, text } from './reader'

test('what was deleted for everyone is quoted no more, whichever comes first', async () => {
  await inAnyOrder(
    [
      text(1, 'm', 'secret'),
      answer(2, 'a', 'm', 'secret', 'really?'),
      answer(3, 'b', 'm', 'secret', 'never'),
      retraction(4, 'm')
    ],
    [
      { kind: 'deleted', text: '' },
      { text: 'really?', reply: { text: '', gone: true } },
      { text: 'never', reply: { text: '', gone: true } }
    ]
  )
  await inAnyOrder(
    [
      text(1, 'm', 'secret'),
      correction(2, 'c', 'm', 'more secret'),
      answer(3, 'a', 'c', 'more secret', 'so?'),
      retraction(4, 'm')
    ],
    [{ kind: 'deleted' }, { text: 'so?', reply: { text: '' } }]
  )
}, 60_000)

test('nothing on this device has the text of a deleted message', async () => {
  const reader = new Reader()
  await reader.take(
    text(1, 'm', 'topsecret one'),
    correction(2, 'c', 'm', 'topsecret two'),
    answer(3, 'a', 'm', 'topsecret two', 'hm')
  )
  await reader.db.messages.toCollection().modify({ starred: 1 })
  await reader.db.outgoing.add({
    ...{ to: BEN, id: 'waiting', tries: 0 },
    what: { type: 'message', text: 'answer', reply: { id: 'm', from: BEN, text: 'topsecret two' } }
  })
  await reader.take(retraction(4, 'm'))
  for (const table of reader.db.tables) {
    expect(JSON.stringify(await table.toArray()), table.name).not.toContain('topsecret')
  }
  expect(await search(reader.db, 'topsecret')).toEqual([])
  expect((await reader.messages())[0]?.starred).toBeUndefined()
})

test('an answer quotes what was written, not what its sender says that it was', async () => {
  const reader = new Reader()
  await reader.take(text(1, 'm', 'no'), answer(2, 'a', 'm', 'yes', 'good'))
  expect((await reader.messages())[1]?.reply?.text).toBe('no')
})

test('nobody puts words into somebody’s mouth that the other can take for theirs', async () => {
  const reader = new Reader()
  await reader.take({ ...text(1, 'mine', 'What I wrote'), from: ADA })
  const quoting = (place: number, of: string, to: string) => {
    const one = answer(place, `a${place}`, of, 'I owe you 1000', 'Thanks')
    return { ...one, inner: one.inner.replace(`to='${BEN}'`, to && `to='${to}'`) }
  }
  await reader.take(
    quoting(2, 'mine', ADA),
    quoting(3, 'unknown', ADA),
    quoting(4, 'unknown', 'eve@example.org'),
    quoting(5, 'unknown', '')
  )
  const replies = (await reader.seen()).slice(1).map(({ reply }) => reply)
  expect(replies[0]).toEqual({ id: 'mine', from: ADA, text: 'What I wrote' })
  expect(replies[1]).toEqual({ id: 'unknown', from: ADA, text: 'I owe you 1000', claimed: true })
  for (const reply of replies.slice(2)) expect(reply).toMatchObject({ from: BEN, claimed: true })
  await reader.db.delete()
})

test('an answer that says that all of it is a quotation is shown whole', async () => {
  const reader = new Reader()
  const all = (place: number, words: string, end: number) =>
    text(
      place,
      `q${place}`,
      words,
      `<reply xmlns='urn:xmpp:reply:0' id='x' to='${BEN}'/>` +
        `<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='${end}'/></fallback>`
    )
  await reader.take(all(1, 'all of it', 9), all(2, 'quoted \n ', 7), all(3, 'more', 4000), all(4, 'less', -3))
  expect((await reader.seen()).map(({ text }) => text.trim())).toEqual([
    'all of it',
    'quoted',
    'more',
    'less'
  ])
  await reader.take(correction(5, 'c1', 'q1', 'corrected'))
  expect((await reader.seen())[0]?.text).toBe('corrected')
  await reader.db.delete()
})

test('what was deleted is quoted no more, whatever signs are in the ids that named it', async () => {
  for (const from of [ADA, BEN])
    for (const sign of ['/', ' ', '#', '__proto__', 'alias ', `${BEN}/`]) {
      const reader = new Reader()
      const quoting = answer(3, 'quote', `fixed${sign}2`, 'secret', 'yes')
      await reader.take({ ...text(1, `first${sign}1`, 'secret'), from })
      await reader.take({ ...correction(2, `fixed${sign}2`, `first${sign}1`, 'secret'), from })
      await reader.take({ ...quoting, inner: quoting.inner.replace(`to='${BEN}'`, `to='${from}'`) })
      const before = (await reader.seen()).find(({ id }) => id === 'quote')
      expect([sign, before?.reply?.text]).toEqual([sign, 'secret'])
      await reader.take({ ...retraction(4, `first${sign}1`), from })
      const after = (await reader.seen()).find(({ id }) => id === 'quote')
      expect([from, sign, after?.reply?.gone]).toEqual([from, sign, true])
      await reader.db.delete()
    }
})

/** What is said about messages, in whatever order it comes and by whatever id it names them. */
import 'fake-indexeddb/auto'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { Database } from '../../src/local/database'
import { ofChat } from '../../src/local/queries'
import { KeyBuffer } from '../../src/local/key-buffer'
import { named } from '../../src/local/naming'
import { search } from '../../src/local/search'
import type { Message } from '../../src/local/types'
import { Incoming } from '../../src/sync/incoming'
import { read } from '../../src/xmpp/received'
import { parse } from '../../src/xmpp/xml'
import { Sealed } from './sealed'

const ADA = 'ada@example.org'
const BEN = 'ben@example.org'
const START = 1.7e12
let count = 0

class Reader {
  readonly db = new Database(`corrections ${++count}`)
  readonly news: Message[] = []
  private readonly keyBuffer = new KeyBuffer(this.db)
  private readonly incoming = new Incoming(
    this.db,
    ADA,
    new Sealed(this.keyBuffer.database, ADA, {} as never),
    this.keyBuffer,
    {
      now: () => START + 1e6,
      passed: () => START + 1e6,
      news: (messages) => void this.news.push(...messages),
      queued: () => undefined,
      asked: async () => undefined,
      stranger: () => undefined
    }
  )

  /** A message of Ben's in the clear: `place` in the archive, its id, and what is in it. */
  async take(...all: Said[]): Promise<void> {
    const came = all.map(({ place, id, inner, from = BEN }) =>
      read(
        parse(
          `<message xmlns='jabber:client' type='chat' from='${from}' to='${from === BEN ? ADA : BEN}' id='${id}'>${inner}</message>`
        ),
        ADA,
        archive(place),
        START + place
      )
    )
    await this.incoming.take(came.filter((one) => one !== undefined))
  }

  async messages(): Promise<Message[]> {
    return ofChat(this.db, BEN).toArray()
  }

  async seen() {
    return (await this.messages()).map(({ kind, text, reactions, reply, id, order }) => {
      return { kind, text, reactions, reply, id, order }
    })
  }
}

interface Said {
  place: number
  id: string
  inner: string
  from?: string
}

const archive = (place: number) => `${(START + place).toString(16).padStart(11, '0')}00001`
const text = (place: number, id: string, words: string, more = '') => ({
  ...{ place, id },
  inner: `<body>${words}</body>${more}`
})
const correction = (place: number, id: string, of: string, words: string) =>
  text(place, id, words, `<replace xmlns='urn:xmpp:message-correct:0' id='${of}'/>`)
const retraction = (place: number, of: string) => ({
  ...{ place, id: `r${place}` },
  inner: `<retract xmlns='urn:xmpp:message-retract:1' id='${of}'/>`
})
const reaction = (place: number, of: string, emoji: string, from = BEN) => ({
  ...{ place, id: `e${place}`, from },
  inner: `<reactions xmlns='urn:xmpp:reactions:0' id='${of}'><reaction>${emoji}</reaction></reactions>`
})
const answer = (place: number, id: string, of: string, quote: string, words: string) =>
  text(
    place,
    id,
    `&gt; ${quote}\n${words}`,
    `<reply xmlns='urn:xmpp:reply:0' id='${of}' to='${BEN}'/>` +
      `<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='${quote.length + 3}'/></fallback>`
  )

/** Ends the same in any order, as it does in this one. */
async function inAnyOrder(things: Said[], expected: object[]): Promise<void> {
  const end = async (order: Said[]) => {
    const reader = new Reader()
    for (const one of order) await reader.take(one)
    const { seen, unread } = { seen: await reader.seen(), unread: (await reader.db.chats.get(BEN))?.unread }
    await reader.db.delete()
    return { seen, unread }
  }
  const first = await end(things)
  expect(first.seen).toMatchObject(expected)
  expect(first.seen).toHaveLength(expected.length)
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(things, { minLength: things.length }), async (order) => {
      expect(await end(order)).toEqual(first)
    }),
    { numRuns: 30 }
  )
}

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

test('an empty body is no bubble, and tells nobody', async () => {
  const reader = new Reader()
  for (const [place, body] of [
    '<body/>',
    '<body></body>',
    '<body> \n </body>',
    '<body>\u200b\u2060</body>'
  ].entries()) {
    await reader.take({ place, id: `empty ${place}`, inner: body })
  }
  expect(await reader.seen()).toEqual([])
  expect(reader.news).toEqual([])
  expect((await reader.db.chats.get(BEN))?.unread ?? 0).toBe(0)
})

test('of bodies in several languages the reader’s is shown', async () => {
  const bodies = `<body>Hello</body><body xml:lang='de'>Hallo</body><body xml:lang='fr-CA'>Bonjour</body>`
  const shown = async (...languages: string[]) => {
    vi.stubGlobal('navigator', { languages })
    const reader = new Reader()
    await reader.take({ place: 1, id: 'm', inner: bodies })
    vi.unstubAllGlobals()
    return (await reader.messages()).map(({ text }) => text).join()
  }
  expect(await shown('de-AT', 'en')).toBe('Hallo')
  expect(await shown('fr')).toBe('Bonjour')
  expect(await shown('it', 'de')).toBe('Hallo')
  expect(await shown('it')).toBe('Hello')
})

test('of bodies in several languages, one without words is none', async () => {
  const reader = new Reader()
  const bodies = (...all: string[]) => ({
    inner: all.map((one) => `<body xml:lang='${one.slice(0, 2)}'>${one.slice(3)}</body>`).join('')
  })
  await reader.take({ place: 1, id: 'one', ...bodies('en ', 'de Hallo') })
  await reader.take({ place: 2, id: 'two', ...bodies('de \u200b', 'en \n', 'fr Salut') })
  await reader.take({ place: 3, id: 'three', ...bodies('en ', 'de ') })
  expect((await reader.seen()).map(({ text }) => text)).toEqual(['Hallo', 'Salut'])
  await reader.db.delete()
})

test('what nobody can see is no message', async () => {
  const reader = new Reader()
  const unseen = [
    '\u200b',
    '\u202e\u2066',
    '\ufe0f',
    '\u034f',
    '\u17b4',
    '\u180b',
    '\u{e0100}',
    '\u{e0041}',
    '\u3164 \u2800',
    '\u00a0\u2003\t\n'
  ]
  for (const [at, words] of unseen.entries()) await reader.take(text(at, `u${at}`, words))
  expect(await reader.seen()).toEqual([])
  expect(reader.news).toEqual([])
  await reader.take(text(50, 'seen', '\u200b.'), text(51, 'emoji', '\u2764\ufe0f'))
  expect(await reader.seen()).toHaveLength(2)
  await reader.db.delete()
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

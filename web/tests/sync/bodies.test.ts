/** Which body of a message is shown, and which is none. */
import 'fake-indexeddb/auto'
import { expect, test, vi } from 'vitest'
import { BEN, Reader, text } from './reader'

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

import { expect, test } from 'vitest'
import { excerpt, marked } from '../../src/parts/marked'
import { dialled, matchesSearch } from '../../src/parts/contact-search'

const BEN = '+4917012345678@example.org'
const shown = (text: string, wanted: string) =>
  marked(text, wanted)
    .map((piece) => (piece.hit ? `[${piece.text}]` : piece.text))
    .join('')

test.each([
  ['0170', true],
  ['0170 123', true],
  ['0170/123-45', true],
  ['0049170', true],
  ['+49 170', true],
  ['+49170123', true],
  ['170', true],
  ['345678', true],
  ['٠١٧٠', true],
  ['017', true],
  ['0171', false],
  ['0049171', false],
  ['+4917012345679', false],
  ['+170', false]
])('a number is found as one would dial it: %s', (typed, found) => {
  expect(dialled('+4917012345678', typed)).toBe(found)
  expect(matchesSearch(undefined, BEN, typed)).toBe(found)
})

test('people are found by a part of their name without accents, not by the server that all share', () => {
  const contact = { name: 'Zoë Müller', nick: 'zm' }
  for (const wanted of ['zoe', 'MULL', 'üll', 'zm', ' ', '@example'])
    expect(matchesSearch(contact, BEN, wanted)).toBe(true)
  expect(matchesSearch(contact, BEN, 'example')).toBe(false)
  expect(matchesSearch(undefined, 'ben@example.org', 'en')).toBe(true)
})

test('what was found is marked, as pieces of the very text', () => {
  expect(shown('Café in Zürich', 'cafe ZUR')).toBe('[Café] in [Zür]ich')
  expect(shown('breakfast', 'fast')).toBe('break[fast]')
  expect(shown('good ❤️ night', '❤')).toBe('good [❤️] night')
  expect(shown('thumbs 👍🏽', '👍')).toBe('thumbs [👍]🏽')
  expect(shown('a<b>c</b>', '<b>')).toBe('a[<b>]c</b>')
  expect(shown('nothing', 'x')).toBe('nothing')
  expect(shown('Cafe\u0301!', 'café')).toBe('[Cafe\u0301]!')
  expect(marked('', 'x')).toEqual([])
  for (const text of ['ﬁne ﬁles', '한국어', 'İstanbul', '\ud83d'])
    expect(
      marked(text, 'fi')
        .map((piece) => piece.text)
        .join('')
    ).toBe(text)
})

test('of a long text, what was found is near the beginning', () => {
  const pieces = excerpt(`${'word '.repeat(300)}\nneedle ${'word '.repeat(300)}`, 'needle')
  const text = pieces.map((piece) => piece.text).join('')
  expect(text.startsWith('…')).toBe(true)
  expect(text.indexOf('needle')).toBeLessThan(40)
  expect(text.length).toBeLessThan(220)
  expect(pieces.filter((piece) => piece.hit)).toEqual([{ text: 'needle', hit: true }])
})

test('what was found in a row stands where also a small screen shows it', () => {
  for (const before of ['Edited, so that it says what I meant in ', 'Donaudampfschifffahrtselektrizität ']) {
    const text = excerpt(`${before}the first place`, 'the')
      .map((piece) => piece.text)
      .join('')
    expect(text.indexOf('the')).toBeLessThan(20)
  }
})

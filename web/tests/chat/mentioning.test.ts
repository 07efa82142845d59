/** Whom a text mentions. */
import { expect, test } from 'vitest'
import { mentionsIn } from '../../src/chat/mentioning.svelte'
import { apart, mentionedIn } from '../../src/parts/mentioned'
import { extraOf } from '../../src/local/mentions'

const ALL = [
  { jid: 'ann@x', name: 'Ann' },
  { jid: 'anna@x', name: 'Anna Berg' },
  { jid: '', name: 'all' }
]

test('of names that begin alike, the longest that is there counts, and places are code points', () => {
  expect(mentionsIn('🎉 @anna berg and @Ann, @all', ALL)).toEqual([
    { jid: 'anna@x', start: 2, end: 12 },
    { jid: 'ann@x', start: 17, end: 21 },
    { jid: '', start: 23, end: 27 }
  ])
  expect(mentionsIn('me@ann.org @Annabel @nobody', ALL)).toEqual([])
})

test('what is mentioned stands out, wherever it is', () => {
  const message = { text: 'Hi @Ann!', mentions: [{ jid: 'ann@x', start: 3, end: 7 }] }
  expect(mentionedIn(message as never)).toEqual(['@Ann'])
  expect(apart('Hi @Ann!', ['@Ann'])).toEqual(['Hi ', '@Ann', '!'])
  expect(mentionedIn({ text: 'Hi', mentions: [{ jid: 'ann@x', start: 0, end: 2 }] } as never)).toEqual([])
})

test('what others seal is bounded, and left out where it has not the right form', () => {
  const bad = [
    ...['', 'null', '[]', '{"mentions":7}', '{"mentions":[{"jid":"a","start":3,"end":1}]}'],
    ...['{"poll":{"question":"?","options":[{"id":"a","text":"x"}]}}', '{"vote":{"of":"","options":[]}}'],
    ...['{"pin":{"id":"x","from":"y","until":"z"}}', '{"__proto__":{"poll":1}}', '{"close":{}}']
  ]
  for (const json of bad) expect(extraOf(json)).toEqual({})
  expect(extraOf('{"mentions":[{"jid":"a","start":0,"end":9},{"all":true,"start":3,"end":5}]}')).toEqual({
    mentions: [{ jid: 'a', start: 0, end: 9 }]
  })
  const options = Array.from({ length: 99 }, (_, at) => ({ id: String(at), text: 'x' }))
  expect(extraOf(JSON.stringify({ poll: { question: 'Q', options } })).poll?.options).toHaveLength(32)
})

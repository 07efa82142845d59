import { expect, test } from 'vitest'
import { valueOf } from '../../src/local/by-address'
import { emojisIn, peopleByEmoji } from '../../src/local/reactions'

test('a reaction is an emoji, whatever else was sent as one', () => {
  const good = ['👍', '❤️', '❤', '👩🏽‍❤️‍💋‍👨🏿', '🇩🇪', '1️⃣', '☺️', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '✔️']
  expect(emojisIn(good)).toEqual(good)
  const others = [
    ...[
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      '',
      ' ',
      '\u200b',
      '\u202e',
      'x'.repeat(10_000)
    ],
    ...['👍👍', '👍 read by Ada', `👍${'\u0301'.repeat(5000)}`, '1', '#', '\ufe0f', '<b>', '\ud83d']
  ]
  expect(emojisIn(others)).toEqual([])
  expect(emojisIn([' 👍 ', '👍', '👍'])).toEqual(['👍'])
  const many = Array.from({ length: 10_000 }, (_, at) => String.fromCodePoint(0x1f600 + (at % 80)))
  expect(emojisIn(many)).toHaveLength(20)
})

test('a conversation is drawn with what an earlier version has stored as reactions', () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '👍', '👍']
  const reactions = Object.fromEntries([
    ['__proto__', ['👍']],
    ['constructor@localhost', names]
  ])
  expect(peopleByEmoji(reactions)).toEqual([
    ['👍', ['__proto__', 'constructor@localhost']],
    ...names.slice(0, 5).map((name) => [name, ['constructor@localhost']])
  ])
})

test('nobody is there, or writing, because their address is what every object has', () => {
  for (const address of ['constructor', 'toString', '__proto__', 'hasOwnProperty'])
    expect(valueOf({}, address)).toBeUndefined()
  expect(valueOf(Object.fromEntries([['__proto__', 1]]), '__proto__')).toBe(1)
})

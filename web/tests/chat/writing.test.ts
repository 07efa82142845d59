import { describe, expect, test } from 'vitest'
import { toggle, type Mark } from '../../src/chat/format'
import { begun, emoticon, names, suggest, whole } from '../../src/chat/shortcodes'
import { parse } from '../../src/parts/styling'

describe('a mark is put around what is selected', () => {
  /** Selections are shown by [ and ]. */
  const run = (shown: string, mark: Mark): string => {
    const from = shown.indexOf('[')
    const to = shown.indexOf(']') - 1
    const after = toggle({ text: shown.replace(/[[\]]/g, ''), from, to }, mark)
    return `${after.text.slice(0, after.from)}[${after.text.slice(after.from, after.to)}]${after.text.slice(after.to)}`
  }
  test.each([
    ['say [hello] now', 'say [*hello*] now'],
    ['say [*hello*] now', 'say [hello] now'],
    ['say *[hello]* now', 'say [hello] now'],
    ['[ hello ]', '[ *hello* ]'],
    ['[one\n\ntwo]', '[*one*\n\n*two*]'],
    ['[*one*\ntwo]', '[*one*\n*two*]'],
    ['[*one*\n*two*]', '[one\ntwo]'],
    ['a [] b', 'a *[]* b']
  ])('%j', (before, after) => {
    expect(run(before, '*')).toBe(after)
  })

  test('and it is one', () => {
    for (const mark of ['*', '_', '~', '`'] as const) {
      const { text } = toggle({ text: 'all of it', from: 0, to: 9 }, mark)
      const [block] = parse(text)
      expect(block?.kind === 'lines' && block.content[0]?.kind).not.toBe('text')
    }
  })
})

describe('an emoticon becomes an emoji', () => {
  test.each([
    [':)', '🙂'],
    ['well :-(', '🙁'],
    ['hi\n<3', '❤️'],
    [":'(", '😢']
  ])('%j', (text, emoji) => {
    expect(emoticon(text, text.length)?.emoji).toBe(emoji)
  })
  test.each(['a:)', 'http:/', '(see 8)', '`:)', '```\n:)', 'valueOf', 'constructor', ''])(
    'not %j',
    (text) => {
      expect(emoticon(text, text.length)).toBeUndefined()
    }
  )
})

describe('a name becomes an emoji', () => {
  test('is seen where it begins, and where it ends', () => {
    expect(begun('hey :tad', 8)).toEqual({ from: 4, name: 'tad' })
    expect(begun('hey :t', 6)).toBeUndefined()
    expect(begun('12:30', 5)).toBeUndefined()
    expect(begun('`:tad', 5)).toBeUndefined()
    expect(whole(':+1:', 4)).toEqual({ from: 0, name: '+1' })
    expect(whole('at 12:30:', 9)).toBeUndefined()
  })

  test('by the names that other apps have, and in the own language', async () => {
    const english = await names('en')
    expect(suggest(english, 'tada')[0]).toEqual({ emoji: '🎉', name: 'tada' })
    expect(suggest(english, 'heart')[0]).toEqual({ emoji: '❤️', name: 'heart' })
    expect(suggest(english, '+1')[0]?.emoji).toBe('👍')
    expect(suggest(english, 'zzzz')).toEqual([])
    const german = await names('de')
    expect(suggest(german, 'katze').length).toBeGreaterThan(2)
    expect(suggest(german, 'tada')[0]?.emoji).toBe('🎉')
    expect(new Set(suggest(german, 'herz').map((one) => one.emoji)).size).toBe(8)
  })
})

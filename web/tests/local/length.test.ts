import { assert, property, string as anyString, integer } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { beginning, fits, split, textBytes } from '../../src/local/length'

const bytes = (text: string): number => new TextEncoder().encode(text).length

describe('the length of a message', () => {
  test('is bounded in bytes, by what the server takes', () => {
    expect(textBytes(undefined)).toBe(65_536)
    expect(textBytes(512 * 1024)).toBe(65_536)
    for (const stanza of [10_000, 40_000, 65_536]) {
      expect(textBytes(stanza)).toBeGreaterThan(1000)
      expect((textBytes(stanza) * 4) / 3).toBeLessThan(stanza)
    }
    expect(fits('a'.repeat(65_536), 65_536)).toBe(true)
    expect(fits('a'.repeat(65_537), 65_536)).toBe(false)
    expect(fits('ж'.repeat(32_768), 65_536)).toBe(true)
    expect(fits('ж'.repeat(32_769), 65_536)).toBe(false)
    expect(fits('👋'.repeat(16_385), 65_536)).toBe(false)
  })

  test('a longer text is cut into parts that fit, and nothing of it is lost', () => {
    assert(
      property(
        anyString({ unit: 'grapheme', maxLength: 400 }),
        integer({ min: 40, max: 120 }),
        (text, most) => {
          const parts = split(text, most)
          for (const part of parts) {
            expect(bytes(part)).toBeLessThanOrEqual(most)
            expect(part).not.toBe('')
            expect(part.isWellFormed()).toBe(true)
          }
          expect(parts.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''))
        }
      )
    )
  })

  test('it is cut where a paragraph, a line or a word ends', () => {
    expect(split('one two three', 9)).toEqual(['one two', 'three'])
    expect(split('one\n\ntwo three', 9)).toEqual(['one', 'two three'])
    expect(split('aaaaaaaaaa', 4)).toEqual(['aaaa', 'aaaa', 'aa'])
    const family = '👩‍👩‍👧‍👦'
    expect(split(family.repeat(3), bytes(family) + 5)).toEqual([family, family, family])
  })
})

test('what is shown of a longer text ends between two characters', () => {
  expect(beginning('short', 10)).toBe('short')
  for (const emoji of ['👍', '👩‍👩‍👧', '🇩🇪', 'e\u0301'])
    for (let before = 390; before <= 402; before++) {
      const shown = beginning('x'.repeat(before) + emoji.repeat(20), 400)
      expect(shown.length).toBeLessThanOrEqual(400)
      expect(shown.length).toBeGreaterThan(400 - emoji.length - 1)
      expect(shown.replace(/^x+/, '').replaceAll(emoji, '')).toBe('')
    }
  assert(
    property(anyString({ unit: 'binary', maxLength: 60 }), integer({ min: 1, max: 40 }), (text, most) => {
      const shown = beginning(text, most)
      expect(text.startsWith(shown)).toBe(true)
      expect(shown.length).toBeLessThanOrEqual(most)
      if (text.isWellFormed()) expect(shown.isWellFormed()).toBe(true)
    })
  )
})

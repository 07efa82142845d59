import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { onlyEmojis, pieces } from '../../src/parts/links'

const links = (text: string): string[] =>
  pieces(text).flatMap((piece) => ('href' in piece ? [piece.href] : []))

describe('a link in a text', () => {
  test.each([
    ['see https://example.org/a?b=c#d.', ['https://example.org/a?b=c#d']],
    ['(https://en.wikipedia.org/wiki/Kith_(poem))', ['https://en.wikipedia.org/wiki/Kith_(poem)']],
    ['www.example.org, and http://b.example!', ['https://www.example.org/', 'http://b.example/']],
    ['write to ada@example.org.', ['mailto:ada@example.org']],
    ['https://münchen.example/ö', ['https://xn--mnchen-3ya.example/%C3%B6']],
    ['"https://example.org"', ['https://example.org/']]
  ])('%s', (text, found) => {
    expect(links(text)).toEqual(found)
  })

  test.each([
    'javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'file:///etc/passwd',
    'JaVaScRiPt://example.org/%0aalert(1)',
    'vbscript:x',
    'https://',
    'http://[::1',
    'not.a.link and neither this/one'
  ])('is none: %s', (text) => {
    expect(links(text)).toEqual([])
  })

  test('never changes the text, and leads nowhere but to the web or a mail', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('https://', 'www.', '(', ')', '.', ' ', 'a@b.de', '<', 'javascript:', '\u202e')
    )
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const text = parts.join('')
        expect(
          pieces(text)
            .map((piece) => piece.text)
            .join('')
        ).toBe(text)
        for (const link of links(text)) expect(link).toMatch(/^(?:https?:\/\/|mailto:)/)
      })
    )
  })

  test('is found in a long text without taking long', () => {
    const start = performance.now()
    pieces('a@'.repeat(20_000) + '('.repeat(20_000) + 'https://' + ')'.repeat(20_000))
    pieces('a.'.repeat(30_000) + '@')
    expect(performance.now() - start).toBeLessThan(2000)
  })
})

test('up to three emojis alone are large', () => {
  for (const text of ['🥳', '👍🏽', '👩‍👩‍👧', '🇩🇪🇫🇷', '❤️🎂🥖', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', '1️⃣', ' 🥳 '])
    expect(onlyEmojis(text)).toBe(true)
  for (const text of ['', 'a🥳', '1', '🥳🥳🥳🥳', '#', '🇩', '\u200d', '🥳.'])
    expect(onlyEmojis(text)).toBe(false)
})

import { expect, test } from 'vitest'
import { pieces } from '../../src/parts/links'

const hostOf = (text: string) => pieces(text).map((piece) => ('host' in piece ? piece.host : undefined))[0]

test.each([
  'https://аpple.com',
  'https://аррӏе.com',
  'https://www.раураӏ.com/login',
  'https://gооgle.com',
  'https://ɡoogle.com',
  'https://kıth.org',
  'https://еxample.org',
  'https://google.com@evil.example/x',
  'https://google.com:80@evil.example/x',
  'http://2130706433/',
  'http://0x7f.1/',
  'https://%D0%B0pple.com',
  'https://νοο.com',
  'https://ѕсоре.com',
  'https://example.org．evil.example/',
  'https://example.org。evil.example/',
  'https://example.org｡evil.example/',
  'https://ⓔxample.org',
  'https://ｅxample.org',
  'http://１２７.０.０.１',
  'https://𝐞xample.org'
])('where %s leads is told', (text) => {
  expect(hostOf(text)).toBe(new URL(text).hostname)
})

test.each([
  'https://example.org/a?b=c',
  'https://EXAMPLE.org:8443/',
  'www.example.org',
  'https://münchen.example/ö',
  'https://łódź.pl',
  'https://smørrebrød.dk',
  'https://straße.de',
  'https://президент.рф',
  'https://почта.рус',
  'https://пример.com',
  'https://сор.ru',
  'https://日本語.jp',
  'https://tokyo東京タワー.jp',
  'https://한국어.kr',
  'https://ελληνικά.gr',
  'https://مثال.com',
  'https://उदाहरण.com',
  'https://xn--80ak6aa92e.com'
])('%s is shown as it is', (text) => {
  expect(pieces(text)).toHaveLength(1)
  expect(hostOf(text)).toBeUndefined()
})

test('a link ends before what turns or hides its letters', () => {
  for (const unseen of ['\u202e', '\u2066', '\u200b', '\u00ad', '\u0000', '\ufeff']) {
    const found = pieces(`https://example.org/${unseen}moc.live`)
    expect(found.flatMap((one) => ('href' in one ? [one.href] : []))).toEqual(['https://example.org/'])
    expect(found.map(({ text }) => text).join('')).toBe(`https://example.org/${unseen}moc.live`)
  }
})

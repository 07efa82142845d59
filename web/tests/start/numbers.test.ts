import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { asciiDigits, digitsOf } from '../../src/local/digits'
import { canonical, complete, likely, typed, type CountryCode } from '../../src/start/numbers'

interface Example {
  text: string
  country: string
  account: string | null
}
const file = new URL('../../../tests/accounts/numbers.json', import.meta.url)
const { numbers } = JSON.parse(readFileSync(file, 'utf8')) as { numbers: Example[] }

test.each(numbers.filter(({ account }) => account))(
  '$text of $country is the account that the server makes of it',
  ({ text, country, account }) => {
    expect(complete(text, (country || 'DE') as CountryCode)).toBe(account)
    expect(canonical(account ?? '')).toBe(account)
  }
)

test('what the server refuses is not read as another number', () => {
  for (const { text, country, account } of numbers) {
    if (account) continue
    const read = complete(text, (country || 'DE') as CountryCode)
    if (read) expect(read).toBe(`+${text.replace(/\D/g, '')}`)
  }
})

test('digits of every script count, where a number, code or PIN is typed', () => {
  const rows = ['٠١٢٣٤٥٦٧٨٩', '۰۱۲۳۴۵۶۷۸۹', '०१२३४५६७८९', '０１２３４５６７８９', '๐๑๒๓๔๕๖๗๘๙', '𝟘𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠𝟡']
  for (const row of rows) expect(asciiDigits(row)).toBe('0123456789')
  expect(digitsOf('١٢٣-٤٥٦', 6)).toBe('123456')
  expect(digitsOf(' 12 34 56 78', 6)).toBe('123456')
  expect(complete('＋４９ １７０ １２３４５６７', 'US')).toBe('+491701234567')
})

test('a number with 00 shows its country, and keeps what was typed', () => {
  expect(typed('00491701234567', 'US')).toEqual({ text: '00491701234567', country: 'DE' })
  expect(typed('0170123', 'DE').country).toBeUndefined()
  expect(typed('+٤٩١٧٠١٢٣', 'US').country).toBe('DE')
})

test('a language that the system names in its own way is no reason to show nothing', () => {
  expect(likely(['en-US@posix', '', 'C', '__proto__', 'x'])).toBe('DE')
  expect(likely(['en-US@posix', 'pt-BR'])).toBe('BR')
  for (const text of [
    '',
    '+',
    '00',
    '+00',
    '0049',
    '+0',
    'abc',
    '1e9',
    '-5',
    '٠٠٤٩',
    '۰۰۴۹۱۷۰۱۲۳۴۵۶۷',
    '+1'.repeat(500),
    '\u202e+49'
  ])
    for (const country of ['DE', 'US', 'IR', 'EG'] as const) {
      expect(() => typed(text, country)).not.toThrow()
      expect(complete(text, country) ?? '+4911').toMatch(/^\+[1-9][0-9]+$/)
    }
  expect(complete('۰۰۴۹۱۷۰۱۲۳۴۵۶۷', 'IR')).toBe('+491701234567')
})

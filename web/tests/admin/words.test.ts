/** What others have chosen is shown as what it is, and never as something else. */
import { afterEach, expect, test } from 'vitest'
import { desk } from '../../src/admin/desk.svelte'
import { problemOf } from '../../src/admin/problems'
import { cleanLine, named, personName, shortAddress } from '../../src/admin/words'
import type { Problem } from '../../src/start/api'

afterEach(() => {
  desk.me = undefined
})

test('the name of a person is one line without hidden characters; without one, it is the address', () => {
  expect(personName({ name: 'Ada', address: 'ada@example.org' })).toBe('Ada')
  expect(personName({ name: '\u202e\u200b \n', address: 'ada@example.org' })).toBe('ada@example.org')
  const name = personName({ name: `a\u202egro.elpmaxe@nimda\n${'x'.repeat(500)}`, address: 'a@b' })
  expect(name).not.toMatch(/[\u202e\n]/)
  expect(name.length).toBeLessThanOrEqual(60)
  expect(named({ name: 'مريم', address: 'a@b' })).toBe('\u2066مريم\u2069')
})

test('addresses of this server are short, and those of others are whole', () => {
  desk.me = { name: 'a', kind: 'token', write: true, expires: '', domain: 'example.org', version: '1' }
  expect(shortAddress('ada@example.org')).toBe('ada')
  expect(shortAddress('+491701234567@example.org')).toBe('+49 170 123 4567')
  expect(shortAddress('+491701234567@evil.example')).toContain('@evil.example')
  expect(shortAddress('command')).toBe('command')
  expect(cleanLine(' a\u2028b\u0000c\u202ed ')).toBe('a b c d')
})

test('an error says what is wrong, in the words of the server where it knows better', () => {
  const said = (error: string, text = ''): string => problemOf({ error, text } as Problem)
  expect(said('bad-request', '"x" is no phone number.')).toContain('"x" is no phone number.')
  expect(said('conflict', 'It exists.')).toContain('It exists.')
  expect(said('forbidden', 'x')).not.toContain('x is')
  const all = ['forbidden', 'not-found', 'not-authorized', 'offline', 'unavailable'].map((one) => said(one))
  expect(new Set(all).size).toBe(all.length)
  expect(problemOf({ error: 'too-many', text: '', retry_after: 90 })).toContain('90')
})

/** What can be done in a conversation depends on what it is with; nothing can be done that leads nowhere. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { abilitiesOf, kindOf } from '../../src/local/conversation'

const ME = 'ada@example.org'

test.each([
  ['ben@example.org', 'person'],
  ['+491701234567@example.net', 'person'],
  // another server is a stranger
  ['example.net', 'person'],
  ['example.org', 'server'],
  [ME, 'notes']
])('%s is a conversation of the kind %s', (address, kind) => {
  expect(kindOf(address, ME)).toBe(kind)
})

test('with the own server, one can do nothing; with oneself, nothing that needs somebody else', () => {
  expect(Object.values(abilitiesOf('example.org', ME)).some(Boolean)).toBe(false)
  expect(abilitiesOf(ME, ME)).toMatchObject({ writes: true, person: false, startsTimer: false })
  expect(Object.values(abilitiesOf('ben@example.org', ME)).every(Boolean)).toBe(true)
})

test('no screen decides by the address alone what a conversation is', () => {
  const source = join(import.meta.dirname, '../../src')
  const found = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
    (file) =>
      /^(?:parts|chats?|screens)\/.*\.(?:svelte|ts)$/.test(file) &&
      /\bisServer\b/.test(readFileSync(join(source, file), 'utf8'))
  )
  expect(found).toEqual([])
})

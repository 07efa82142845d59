import { describe, expect, test } from 'vitest'
import { addressIn, linkTo } from '../../src/parts/contact-links'

const ADA = '+491701234567@example.org'

test('a link to somebody names them, and the server is not told', () => {
  const link = linkTo(ADA, 'https://example.org:8443')
  expect(addressIn(link)).toBe(ADA)
  expect(new URL(link).pathname + new URL(link).search).toBe('/')
})

describe('an address is read from', () => {
  test.each([
    [ADA, ADA],
    [` ${ADA} `, ADA],
    [`xmpp:${ADA}`, ADA],
    [`xmpp:Ada@Example.org?message;body=hello`, 'ada@example.org'],
    [`xmpp:%2B491701234567@example.org/phone`, ADA],
    [`https://kith.example/#/to/${encodeURIComponent(ADA)}`, ADA],
    [`http://localhost:8080/#/to/ada@b`, 'ada@b']
  ])('%s', (text, address) => {
    expect(addressIn(text)).toBe(address)
  })
  test.each([
    '',
    'hello',
    'a@b@c',
    'a b@c',
    'example.org',
    'https://example.org/#/to/',
    'https://example.org/#/to/%E0%A4%A',
    'https://example.org/#/settings/ada@b',
    'javascript:ada@b/#/to/x@y',
    'ada\u202e@example.org',
    'ada\u200b@example.org',
    `${'a'.repeat(3100)}@b`,
    '<b>@example.org'
  ])('not %j', (text) => {
    expect(addressIn(text)).toBeUndefined()
  })
})

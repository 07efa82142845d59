import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromBase64, fromBase64url } from '../../src/local/bytes'

const LONG = 100_000

test('base64 of other programs becomes their bytes, padded or not, on one line or several', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const data = Buffer.from(bytes)
      const text = data.toString('base64')
      const expected = new Uint8Array(bytes)
      expect(fromBase64(text)).toEqual(expected)
      expect(fromBase64(text.replace(/=+$/, ''))).toEqual(expected)
      expect(fromBase64(`\n  ${text.replace(/.{10}/g, '$&\r\n')} `)).toEqual(expected)
      expect(fromBase64url(data.toString('base64url'))).toEqual(expected)
      expect(fromBase64url(text.replaceAll('+', '-').replaceAll('/', '_'))).toEqual(expected)
    })
  )
})

test('a picture is decoded as a whole', () => {
  const bytes = crypto.getRandomValues(new Uint8Array(65_536))
  expect(fromBase64(Buffer.from(bytes).toString('base64'))).toEqual(bytes)
})

test('what is not base64 is refused', () => {
  const malformed = [
    'A',
    'AAAAA',
    'A===',
    'AA=',
    'AA=A',
    '=',
    '====',
    'AAAA=',
    'AAAA====',
    'AA-_',
    'AAé=',
    'A*AA'
  ]
  for (const text of malformed) expect(() => fromBase64(text), text).toThrow()
  for (const text of [
    'A',
    'A===',
    'AA=',
    'AA=A',
    '=',
    'AA+/',
    'AA AA',
    'AAAA\n',
    'A*AA',
    'x'.repeat(LONG + 1)
  ])
    expect(() => fromBase64url(text), text.slice(0, 20)).toThrow()
})

test('two texts are never the same bytes by bits that count for nothing (RFC 4648 §3.5)', () => {
  expect(fromBase64('QQ==')).toEqual(new Uint8Array([65]))
  expect(() => fromBase64('QR==')).toThrow()
  expect(() => fromBase64url('QR')).toThrow()
})

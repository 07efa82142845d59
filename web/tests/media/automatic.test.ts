/** What is downloaded without a tap: nothing that could fill the disk of whoever looks at a chat. */
import { expect, it } from 'vitest'
import { isAutomatic } from '../../src/attachments/automatic'
import { mediaIn } from '../../src/local/descriptor'
import { LARGEST_WHOLE, type Media } from '../../src/local/media'

const bytes = (length: number) => btoa('x'.repeat(length))
const URL = 'https://m.example/m/abcdefghijklmnopqrstuv/x'

function received(given: object): Media {
  const found = mediaIn([{ key: bytes(32), ...given }])
  if (!found) throw new Error('not read')
  return found.media
}

const WHOLE = { url: URL, iv: bytes(12), digest: bytes(32), size: LARGEST_WHOLE }
const ENDLESS = { segments: { url: URL, size: 2 ** 44 }, size: 2 ** 43 }

it.each([['picture'], ['sticker']])('a %s comes by itself, but not one of any size', (kind) => {
  expect(isAutomatic(received({ ...WHOLE, kind }))).toBe(true)
  expect(isAutomatic(received({ ...ENDLESS, kind }))).toBe(false)
})

it('a video that plays by itself comes as pictures do, but not one of any size', () => {
  const loop = { kind: 'video', duration: 4000, loop: true }
  expect(isAutomatic(received({ ...WHOLE, ...loop }), 'picture')).toBe(true)
  expect(isAutomatic(received({ ...ENDLESS, ...loop }), 'picture')).toBe(false)
})

it('a picture that was not encrypted waits for a tap', () => {
  expect(isAutomatic({ kind: 'picture', url: URL, plain: true })).toBe(false)
})

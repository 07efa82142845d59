/** What a picture is, before a browser decodes any of it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { headerOf, MAX_PIXELS } from '../../src/local/image-header'

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  new Uint8Array(
    parts.flatMap((part) => (typeof part === 'string' ? [...part].map((one) => one.charCodeAt(0)) : part))
  )
const word = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]
const png = (width: number, height: number) =>
  bytes('\x89PNG\r\n\x1a\n', word(13), 'IHDR', word(width), word(height), [8, 6, 0, 0, 0])
const gif = (width: number, height: number) =>
  bytes('GIF89a', [width & 255, width >> 8, height & 255, height >> 8, 0, 0, 0])

describe('a picture', () => {
  it('is known by its own bytes, whatever it is called', () => {
    expect(headerOf(png(40, 30))).toEqual({ type: 'image/png', width: 40, height: 30 })
    expect(headerOf(gif(300, 200))).toMatchObject({ type: 'image/gif', width: 300, height: 200 })
    const avif = bytes(word(28), 'ftypavif', word(0), word(20), 'ispe', word(0), word(640), word(480))
    expect(headerOf(avif)).toEqual({ type: 'image/avif', width: 640, height: 480 })
  })

  it('is known to move, so that it is not shown as a copy that stands still', () => {
    const webp = (flags: number) =>
      bytes('RIFF', word(0), 'WEBPVP8X', word(10), [flags, 0, 0, 0], [9, 0, 0, 9, 0, 0])
    const apng = bytes([...png(40, 30)], word(0), word(8), 'acTL', word(2), word(0))
    expect([gif(9, 9), webp(2), apng].map((one) => headerOf(one)?.moves)).toEqual([true, true, true])
    expect([png(9, 9), webp(0)].map((one) => headerOf(one)?.moves)).toEqual([undefined, undefined])
  })

  it.each([
    ['a bomb', png(16_384, 16_384)],
    ['a side without end', png(100_000, 1)],
    ['no height', png(10, 0)],
    ['a page', bytes('<!doctype html><script>alert(1)</script>')],
    ['SVG with a script', bytes('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>')],
    ['HEIC', bytes(word(24), 'ftypheic', word(0))],
    ['a PDF', bytes('%PDF-1.7')],
    ['nothing', bytes()],
    ['half a header', png(40, 30).slice(0, 18)]
  ])('is not %s', (_, file) => {
    expect(headerOf(file)).toBeUndefined()
  })

  it('is never larger than what is decoded, in whatever bytes', () => {
    const start = fc.constantFrom(png(1, 1), gif(1, 1), bytes('\xff\xd8\xff'), bytes('RIFF....WEBPVP8X'))
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 200 }), fc.nat(40), (head, rest, cut) => {
        const all = new Uint8Array([...head.slice(0, Math.max(3, head.length - cut)), ...rest])
        const found = headerOf(all)
        if (found) expect(found.width * found.height).toBeLessThanOrEqual(MAX_PIXELS)
      }),
      { numRuns: 500 }
    )
  })
})

import { expect, test } from 'vitest'
import { LARGEST_PICTURE, pictureType } from '../../src/local/picture'

const bytes = (text: string) => Uint8Array.from(text, (one) => one.charCodeAt(0))
const number = (value: number, length: number, little = false) => {
  const all = Array.from({ length }, (_, at) => String.fromCharCode((value / 2 ** (8 * at)) & 0xff))
  return (little ? all : all.reverse()).join('')
}
const png = (width: number, height: number) =>
  bytes(`\x89PNG\r\n\x1a\n${number(13, 4)}IHDR${number(width, 4)}${number(height, 4)}\x08\x06\0\0\0`)
const jpeg = (width: number, height: number) =>
  bytes(`\xff\xd8\xff\xe0\0\x06JFIF\xff\xff\xc2\0\x11\x08${number(height, 2)}${number(width, 2)}\x03`)
const webp = (kind: string, rest: string) =>
  bytes(`RIFF${number(100, 4, true)}WEBP${kind}${number(50, 4, true)}${rest}`)
const extended = (width: number, height: number) =>
  webp('VP8X', `\0\0\0\0${number(width - 1, 3, true)}${number(height - 1, 3, true)}`)
const lossy = (width: number, height: number) =>
  webp('VP8 ', `\0\0\0\x9d\x01\x2a${number(width, 2, true)}${number(height, 2, true)}`)
const lossless = (width: number, height: number) =>
  webp('VP8L', `\x2f${number(width - 1 + (height - 1) * 2 ** 14, 4, true)}`)

const KINDS = { png, jpeg, extended, lossy, lossless }

test.each(Object.entries(KINDS))(
  'of a picture (%s) that becomes huge when it is drawn, nothing is kept',
  (name, made) => {
    const type = name === 'png' ? 'image/png' : name === 'jpeg' ? 'image/jpeg' : 'image/webp'
    for (const [width, height] of [
      [1, 1],
      [96, 96],
      [1024, 1024],
      [2048, 2048],
      [4096, 100]
    ] as const)
      expect(pictureType(made(width, height))).toBe(type)
    for (const [width, height] of [
      [16_000, 16_000],
      [4096, 4096],
      [1, 16_384],
      [16_383, 2]
    ] as const)
      expect(pictureType(made(width, height))).toBe('')
    if (name === 'png' || name === 'jpeg') expect(pictureType(made(0, 10))).toBe('')
  }
)

test('what is cut off, no picture, or one that runs scripts, is none', () => {
  for (const made of Object.values(KINDS)) {
    const whole = made(100, 100)
    for (let end = 0; end < whole.length; end++) expect(() => pictureType(whole.slice(0, end))).not.toThrow()
    expect(pictureType(whole.slice(0, 14))).toBe('')
  }
  const others = [
    '',
    'GIF89a',
    '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    'RIFF1234AVI ',
    'RIFF'
  ]
  for (const text of [...others, '\xff\xd8\xff\xff\xff\xff\xff', '\xff\xd8\xff\xe0\0\0', '%PDF-1.7'])
    expect(pictureType(bytes(text))).toBe('')
  const large = new Uint8Array(LARGEST_PICTURE + 1)
  large.set(png(10, 10))
  expect(pictureType(large)).toBe('')
})

import { base64 } from '@scure/base'
import { describe, expect, it } from 'vitest'
import { missingParts, type Media } from '../../src/local/media'
import { addressesOf } from '../../src/local/message-files'
import { sourceOf, storedAs, uploadName, withAddress } from '../../src/media/parts'
import { openedFile } from '../../src/media/segmented-file'
import { SEGMENT } from '../../src/media/segments'

const KEY = base64.encode(new Uint8Array(32).fill(7))
const stream = (name: string): NonNullable<Media['streams']>[number] => ({
  name,
  type: 'video/mp4',
  index: [9, 40]
})
const VIDEO: Media = {
  kind: 'video',
  key: KEY,
  iv: 'aaaaaaaaaaaaaaaa',
  streams: [stream('audio'), stream('240')]
}

describe('what of a message is uploaded', () => {
  it('is the whole file and each rendition, until each has its address', () => {
    let media = VIDEO
    expect(missingParts(media)).toEqual(['whole', 'stream audio', 'stream 240'])
    for (const part of missingParts(media)) media = withAddress(media, part, `https://m.example/${part}`)
    expect(missingParts(media)).toEqual([])
    expect(addressesOf(media)).toHaveLength(3)
    expect(media.streams?.[1]?.url).toBe('https://m.example/stream 240')
  })

  it('is a large file in segments, of which the server learns neither name nor kind', async () => {
    const media: Media = { kind: 'file', key: KEY, name: 'plan.pdf', segments: { size: 1 } }
    expect(missingParts(media)).toEqual(['segments'])
    expect(missingParts(withAddress(media, 'segments', 'https://m.example/1'))).toEqual([])
    expect(uploadName(media, 'segments')).toMatch(/^[0-9a-f]{12}\.bin$/)
    const data = new Uint8Array(SEGMENT + 9).fill(3)
    const sealed = await sourceOf(media, 'segments', new Blob([data]))
    const opened = await openedFile(sealed, new Uint8Array(32).fill(7), data.length)
    expect(Buffer.compare(await opened.read(0, data.length), data)).toBe(0)
  })

  it('is stored apart for each rendition', () => {
    expect(new Set(missingParts(VIDEO).map((part) => storedAs('id', part))).size).toBe(3)
    expect(storedAs('id', 'whole')).toBe('id')
  })

  it('is nothing of a place or a contact', () => {
    expect(missingParts({ kind: 'location' })).toEqual([])
    expect(missingParts({ kind: 'contact' })).toEqual([])
  })
})

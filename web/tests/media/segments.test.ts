/** Segments of large files and of videos: the vectors that the SDK shares, and everything a server could do to them. */
import { readFileSync } from 'node:fs'
import { sha256 } from '@noble/hashes/sha2.js'
import { shake256 } from '@noble/hashes/sha3.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Bytes } from '../../src/local/bytes'
import { DownloadFailed } from '../../src/media/download'
import { patientSource } from '../../src/media/remote'
import { openedFile, plainSize, sealedFile, sealedSize } from '../../src/media/segmented-file'
import { OpenedStream, sealStream } from '../../src/media/segmented-stream'
import { Forged, SEGMENT, SegmentCipher, TAG } from '../../src/media/segments'
import { blobSource, type Source, streamOf } from '../../src/media/source'

interface Vectors {
  key: string
  plaintext_seed: string
  segments: { stream: string; index: number; last: boolean; plaintext: string; ciphertext: string }[]
  files: { size: number; sealed: number; sha256: string; ciphertext?: string }[]
  stream: { name: string; fragments: [string, number][]; index: [number, number]; blob: string }
  refused: { what: string; blob: string; index: [number, number] }[]
}
const vectors = JSON.parse(
  readFileSync(new URL('../../../tests/vectors/media-segments.json', import.meta.url), 'utf8')
) as Vectors
const KEY = bytes(vectors.key)

function bytes(hex: string): Bytes {
  return new Uint8Array(hexToBytes(hex))
}

function noise(size: number): Bytes {
  return new Uint8Array(shake256(new TextEncoder().encode(vectors.plaintext_seed), { dkLen: size }))
}

function held(data: Bytes): Source {
  return blobSource(new Blob([data]))
}

async function whole(source: Source): Promise<Bytes> {
  return new Uint8Array(await new Response(streamOf(source, 300_000)).arrayBuffer())
}

/** Everything of a stream, or the error. */
async function played(blob: Bytes, index: [number, number], name: string): Promise<string[]> {
  const opened = await OpenedStream.open(await SegmentCipher.of(KEY, name), held(blob), index)
  return Promise.all(opened.segments.map(async (_, at) => bytesToHex(await opened.read(at))))
}

describe('segments', () => {
  it('are those that other implementations make', async () => {
    for (const { stream, index, last, plaintext, ciphertext } of vectors.segments) {
      const cipher = await SegmentCipher.of(KEY, stream)
      expect(bytesToHex(await cipher.seal(index, last, bytes(plaintext)))).toBe(ciphertext)
      expect(bytesToHex(await cipher.open(index, last, bytes(ciphertext)))).toBe(plaintext)
      await expect(cipher.open(index, !last, bytes(ciphertext))).rejects.toThrow(Forged)
      await expect(cipher.open(index + 1, last, bytes(ciphertext))).rejects.toThrow(Forged)
      const other = await SegmentCipher.of(KEY, `${stream}x`)
      await expect(other.open(index, last, bytes(ciphertext))).rejects.toThrow(Forged)
    }
  })

  it('have no other keys and names than the right ones', async () => {
    await expect(SegmentCipher.of(KEY.slice(1), 'file')).rejects.toThrow(Forged)
    for (const name of ['', 'a\0b', 'A', 'x'.repeat(17), '../240'])
      await expect(SegmentCipher.of(KEY, name)).rejects.toThrow(Forged)
  })
})

describe('a file of segments', () => {
  it('is the one that other implementations make, and comes back', async () => {
    for (const vector of vectors.files) {
      const plain = noise(vector.size)
      const sealed = await sealedFile(held(plain), KEY)
      expect(sealed.size).toBe(vector.sealed)
      expect(plainSize(vector.sealed)).toBe(vector.size)
      const data = await whole(sealed)
      expect(bytesToHex(sha256(data))).toBe(vector.sha256)
      if (vector.ciphertext !== undefined) expect(bytesToHex(data)).toBe(vector.ciphertext)
      const opened = await whole(await openedFile(held(data), KEY, vector.size))
      expect(bytesToHex(sha256(opened))).toBe(bytesToHex(sha256(plain)))
    }
  })

  it('is read from any place, ciphertext as well as plaintext', async () => {
    const plain = noise(2 * SEGMENT + 77)
    const sealed = await sealedFile(held(plain), KEY)
    const all = await whole(sealed)
    const opened = await openedFile(held(all), KEY)
    await fc.assert(
      fc.asyncProperty(fc.nat(plain.length), fc.nat(plain.length), async (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)]
        expect(Buffer.compare(await opened.read(from, to), plain.subarray(from, to))).toBe(0)
        expect(Buffer.compare(await sealed.read(from, to), all.subarray(from, to))).toBe(0)
      }),
      { numRuns: 20 }
    )
  })

  it('never holds more than a piece of what is read', async () => {
    let most = 0
    const zeros: Source = {
      size: 400 * SEGMENT,
      read: (from, to) => {
        most = Math.max(most, to - from)
        return Promise.resolve(new Uint8Array(to - from))
      }
    }
    const opened = await openedFile(await sealedFile(zeros, KEY), KEY)
    expect((await opened.read(399 * SEGMENT - 1, 399 * SEGMENT + 1)).length).toBe(2)
    expect(most).toBe(SEGMENT)
  })

  it('is refused when it was changed, cut off, put in another order, or is longer than was said', async () => {
    const plain = noise(2 * SEGMENT + 5)
    const good = await whole(await sealedFile(held(plain), KEY))
    const sealed = SEGMENT + TAG
    const part = (n: number): Bytes => good.slice(n * sealed, (n + 1) * sealed)
    const joined = (...parts: Bytes[]): Bytes => new Uint8Array(Buffer.concat(parts))
    const flipped = good.slice()
    flipped[sealed + 9] = (flipped[sealed + 9] ?? 0) ^ 1
    for (const bad of [
      flipped,
      joined(part(1), part(0), part(2)),
      joined(part(0), part(0), part(2)),
      joined(part(0), part(2)),
      joined(part(0), part(1)),
      joined(part(0), part(1), part(2), part(2)),
      good.slice(0, -1),
      good.slice(0, 2 * sealed + 3),
      good.slice(0, 3),
      new Uint8Array()
    ])
      await expect(openedFile(held(bad), KEY).then(whole)).rejects.toThrow(Forged)
    await expect(openedFile(held(good), KEY, plain.length + 1)).rejects.toThrow(Forged)
  })

  it('is refused when it is said to be empty and is not', async () => {
    const empty = await whole(await sealedFile(held(new Uint8Array()), KEY))
    empty[0] = (empty[0] ?? 0) ^ 1
    await expect(openedFile(held(empty), KEY)).rejects.toThrow(Forged)
    expect(sealedSize(0)).toBe(TAG)
  })

  it('goes on after a part of it could not be read', async () => {
    const plain = noise(3 * SEGMENT)
    const good = held(await whole(await sealedFile(held(plain), KEY)))
    let broken = true
    const source: Source = {
      size: good.size,
      read: (from, to) => (broken ? Promise.reject(new Error('network')) : good.read(from, to))
    }
    const opened = await openedFile(source, KEY)
    await expect(opened.read(5, 9)).rejects.toThrow('network')
    broken = false
    expect(await opened.read(5, 9)).toEqual(plain.slice(5, 9))
  })
})

describe('a stream of segments', () => {
  const { name, fragments, index, blob } = vectors.stream

  it('is the one that other implementations make, and comes back', async () => {
    const sealed = await sealStream(
      await SegmentCipher.of(KEY, name),
      fragments.map(([hex, ms]) => ({ data: new Blob([bytes(hex)]), ms }))
    )
    expect(bytesToHex(new Uint8Array(await sealed.blob.arrayBuffer()))).toBe(blob)
    expect(sealed.index).toEqual(index)
    expect(await played(bytes(blob), index, name)).toEqual(fragments.map(([hex]) => hex))
  })

  it.each(vectors.refused)('is refused with $what', async ({ blob: bad, index: at }) => {
    await expect(played(bytes(bad), at, name)).rejects.toThrow(Forged)
  })

  it('is refused where its index is not', async () => {
    for (const at of [
      [0, 5],
      [1, 40],
      [index[0], index[1] - 1],
      [index[0] - 1, index[1]],
      [index[0], 1e12]
    ])
      await expect(played(bytes(blob), at as [number, number], name)).rejects.toThrow()
  })

  it('knows which fragment has a moment', async () => {
    const opened = await OpenedStream.open(await SegmentCipher.of(KEY, name), held(bytes(blob)), index)
    expect([0, 1999, 2000, 3999, 4000, 99_000].map((ms) => opened.at(ms))).toEqual([1, 1, 2, 2, 3, 3])
  })

  it('is made of nothing else than what the index lists, whatever it lists', async () => {
    const cipher = await SegmentCipher.of(KEY, name)
    await fc.assert(
      fc.asyncProperty(fc.json(), async (json) => {
        const data = new TextEncoder().encode(`{"segments":${json}}`)
        const sealed = await cipher.sealIndex(data)
        const source = held(new Uint8Array(Buffer.concat([new Uint8Array(40), sealed])))
        await expect(OpenedStream.open(cipher, source, [40, sealed.length])).rejects.toThrow(Forged)
      }),
      { numRuns: 100 }
    )
  })
})

describe('a large file on a bad line', () => {
  it('is read on after the connection was lost, and not if it is gone', async () => {
    const answers: ('lost' | 'gone' | Uint8Array<ArrayBuffer>)[] = ['lost', 'lost', new Uint8Array(3), 'gone']
    const source: Source = {
      size: 3,
      read: () => {
        const answer = answers.shift() ?? 'gone'
        return typeof answer === 'string'
          ? Promise.reject(new DownloadFailed(answer))
          : Promise.resolve(answer)
      }
    }
    const patient = patientSource(source, [1, 1])
    expect(await patient.read(0, 3)).toHaveLength(3)
    await expect(patient.read(0, 3)).rejects.toMatchObject({ reason: 'gone' })
    answers.push('lost', 'lost', 'lost')
    await expect(patient.read(0, 3)).rejects.toMatchObject({ reason: 'lost' })
    expect(answers).toEqual([])
  })
})

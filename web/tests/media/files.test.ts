/** Encryption, upload and download of files, without screens. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { base64 } from '@scure/base'
import {
  claimSecret,
  decryptWhole,
  digestOf,
  encryptWhole,
  newSecret,
  NotAuthentic
} from '../../src/media/cipher'
import { download, DownloadFailed } from '../../src/media/download'
import { MediaOrigin, originOf } from '../../src/media/origin'
import { blobSource, type Source } from '../../src/media/source'
import { PART, upload, UploadFailed } from '../../src/media/upload'
import { MediaServer } from './server'

const server = new MediaServer()
beforeAll(() => server.start())
afterAll(() => server.stop())
beforeEach(() => {
  server.before = () => undefined
  server.wrong = 0
})

function random(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 65536)
    crypto.getRandomValues(bytes.subarray(at, Math.min(length, at + 65536)))
  return bytes
}

const source = (bytes: Uint8Array<ArrayBuffer>): Source => blobSource(new Blob([bytes]))

const same = async (blob: Blob, bytes: Uint8Array) =>
  Buffer.from(await blob.arrayBuffer()).equals(Buffer.from(bytes))

describe('a whole file', () => {
  it('comes out as it went in, and is the same ciphertext each time', async () => {
    for (const length of [0, 1, 15, 16, 17, 70_000]) {
      const { key, iv } = newSecret()
      const plain = random(length)
      const sealed = await encryptWhole(new Blob([plain]), key, iv)
      expect(sealed.size).toBe(length + 16)
      const again = await encryptWhole(new Blob([plain]), key, iv)
      expect(await same(again, new Uint8Array(await sealed.arrayBuffer()))).toBe(true)
      const opened = await decryptWhole(sealed, key, iv, await digestOf(plain), 'image/png')
      expect(opened.type).toBe('image/png')
      expect(await same(opened, plain)).toBe(true)
    }
  })

  it('is refused if a bit is wrong, if it is cut off, or if it is another than described', async () => {
    const { key, iv } = newSecret()
    const sealed = new Uint8Array(await (await encryptWhole(new Blob([random(1000)]), key, iv)).arrayBuffer())
    const flipped = sealed.slice()
    flipped.set([(flipped[500] ?? 0) ^ 1], 500)
    for (const bad of [flipped, sealed.slice(0, -1), sealed.slice(1), new Uint8Array(), sealed.slice(0, 10)])
      await expect(decryptWhole(new Blob([bad]), key, iv, undefined, '')).rejects.toThrow(NotAuthentic)
    const other = base64.encode(random(32))
    await expect(decryptWhole(new Blob([sealed]), key, iv, other, '')).rejects.toThrow(NotAuthentic)
    await expect(decryptWhole(new Blob([sealed]), other, iv, undefined, '')).rejects.toThrow(NotAuthentic)
  })

  it('is claimed with a secret that is derived from its key', async () => {
    const key = base64.encode(new Uint8Array(32).fill(7))
    // HKDF-SHA-256 without salt, info "Kith media 0 claim", by Python's cryptography
    expect(base64.encode(await claimSecret(key))).toBe('MWkWi16tyGCGnz6Ku6d/Xg0kNExkcAf+C3AyJdJoNoo=')
  })
})

describe('an upload', () => {
  it('goes on where it was after cut connections, and every part is checked', async () => {
    const bytes = random(2 * PART + 1000)
    let cuts = 0
    server.before = ({ offset }) => {
      if (offset > 0 && cuts++ < 2) throw new Error('cut')
    }
    const slot = { put: `${server.origin}/u/one`, authorization: 'Bearer t', get: '' }
    server.slot('one', bytes.length)
    const progress: number[] = []
    await upload(source(bytes), slot, slot.put, {
      progress: (sent) => progress.push(sent),
      signal: new AbortController().signal,
      retries: [1, 1, 1, 1]
    })
    expect(server.blobs.get('one')?.data.equals(Buffer.from(bytes))).toBe(true)
    expect(cuts).toBeGreaterThan(1)
    expect(progress.at(-1)).toBe(bytes.length)
    expect(server.wrong).toBe(0)
  })

  it('is left for later when the server is away, and continued by a new page', async () => {
    const bytes = random(PART + 5)
    server.slot('two', bytes.length)
    server.before = ({ offset }) => {
      if (offset > 0) throw new Error('cut')
    }
    const slot = { put: `${server.origin}/u/two`, authorization: 'Bearer t', get: '' }
    const options = { progress: () => undefined, signal: new AbortController().signal, retries: [1] }
    await expect(upload(source(bytes), slot, slot.put, options)).rejects.toMatchObject({ reason: 'lost' })
    server.before = () => undefined
    await upload(source(bytes), slot, slot.put, options)
    expect(server.blobs.get('two')?.data.equals(Buffer.from(bytes))).toBe(true)
  })

  it('needs another slot if the server does not know this one', async () => {
    const slot = { put: `${server.origin}/u/none`, authorization: 'Bearer t', get: '' }
    const options = { progress: () => undefined, signal: new AbortController().signal, retries: [1] }
    const failed = await upload(source(random(5)), slot, slot.put, options).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(UploadFailed)
    expect((failed as UploadFailed).reason).toBe('slot')
  })

  it('is stopped by its signal', async () => {
    server.slot('three', 10)
    const control = new AbortController()
    control.abort(new Error('stop'))
    const slot = { put: `${server.origin}/u/three`, authorization: '', get: '' }
    const options = { progress: () => undefined, signal: control.signal }
    await expect(upload(source(random(10)), slot, slot.put, options)).rejects.toThrow('stop')
  })
})

describe('a download', () => {
  const body = random(100_000)

  /** Answers that end after so many bytes each. */
  function flaky(lengths: number[]): { get: typeof fetch; asked: string[] } {
    const asked: string[] = []
    const get = (_: unknown, init?: RequestInit): Promise<Response> => {
      const range = new Headers(init?.headers).get('Range') ?? ''
      asked.push(range)
      const from = Number(/\d+/.exec(range)?.[0] ?? 0)
      const most = lengths.shift()
      let step = 0
      const stream = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (step++ === 0) controller.enqueue(body.slice(from, most === undefined ? undefined : from + most))
          else if (most === undefined) controller.close()
          else controller.error(new TypeError('network error'))
        }
      })
      const headers = { ETag: '"x"', 'Content-Length': String(body.length - from) }
      return Promise.resolve(new Response(stream, { status: from ? 206 : 200, headers }))
    }
    return { get: get as typeof fetch, asked }
  }

  it('goes on where it was', async () => {
    const { get, asked } = flaky([1000, 2000])
    const data = await download('https://x.example/m', { most: 200_000, get, retries: [1, 1] })
    expect(await same(data, body)).toBe(true)
    expect(asked).toEqual(['', 'bytes=1000-', 'bytes=3000-'])
  })

  it('gives up after some attempts, and says that it was the connection', async () => {
    const { get } = flaky([1, 1, 1, 1, 1])
    await expect(download('https://x.example/m', { most: 1e6, get, retries: [1] })).rejects.toMatchObject({
      reason: 'lost'
    })
  })

  it('ends as soon as it is cancelled, also between two attempts', async () => {
    const { get } = flaky([1])
    const control = new AbortController()
    const options = { most: 1e6, get, retries: [3_600_000], signal: control.signal }
    const running = download('https://x.example/m', {
      ...options,
      progress: () => setTimeout(() => control.abort(new Error('stop')), 1)
    })
    await expect(running).rejects.toThrow('stop')
  })

  it('takes no more than was said, whatever the server says', async () => {
    const endless = (): Promise<Response> => {
      const stream = new ReadableStream<Uint8Array>({
        pull(controller) {
          controller.enqueue(new Uint8Array(1000))
        }
      })
      return Promise.resolve(new Response(stream))
    }
    await expect(download('https://x.example/m', { most: 5000, get: endless })).rejects.toMatchObject({
      reason: 'refused'
    })
    const { get } = flaky([])
    await expect(download('https://x.example/m', { most: 1e6, exactly: 99_999, get })).rejects.toMatchObject({
      reason: 'refused'
    })
    await expect(download('https://x.example/m', { most: 99_999, get })).rejects.toThrow(DownloadFailed)
  })

  it('knows that a file is gone', async () => {
    await expect(download(`${server.origin}/m/nothing/x`, { most: 5 })).rejects.toMatchObject({
      reason: 'gone'
    })
  })
})

describe('the media server', () => {
  it('is reached where this page reaches it, and other servers are known as such', async () => {
    const origin = new MediaOrigin(server.origin)
    expect(await origin.local('https://media.example.org/m/abc/x.jpg')).toEqual({
      url: `${server.origin}/m/abc/x.jpg`,
      foreign: false
    })
    expect(await origin.local('https://elsewhere.example/m/abc')).toMatchObject({ foreign: true })
    expect(await origin.local('https://media.example.org.evil.example/m/abc')).toMatchObject({
      foreign: true
    })
    expect(originOf('wss://example.org:8443/xmpp-websocket')).toBe('https://example.org:8443')
  })
})

/**
 * Uploads ciphertext in parts that can be resumed: tus 1.0, each part with its digest (docs/media.md, Uploads). The
 * protocol is tus-js-client's.
 */
import { base64 } from '@scure/base'
import type { HttpRequest, HttpResponse, HttpStack } from 'tus-js-client'
import type { UploadSlot } from '../local/file-types'
import type { Source } from './source'

/** Bytes of a part: after an interruption, at most so much is sent again. */
export const PART = 4 * 1024 * 1024
/** Milliseconds before each further attempt, after which the caller decides. */
const RETRIES = [300, 1000, 3000]

/**
 * Why an upload did not get through: `slot`: a new slot is needed, since this one has expired or is unknown; `full`: the
 * server has no space; `lost`: no connection, or the server has trouble, so it goes on later.
 */
export class UploadFailed extends Error {
  constructor(readonly reason: 'slot' | 'full' | 'lost') {
    super(reason)
  }
}

export interface UploadOptions {
  /** Called with the bytes that the server has, or is getting. */
  progress(sent: number): void
  /** Stops it; it rejects with the reason of the signal. */
  signal: AbortSignal
  /** For tests. */
  retries?: number[]
}

/**
 * `address`: `slot.put`, for this page. `source`: gives the same bytes each time. Resolves when the server has everything.
 * Rejects with UploadFailed.
 */
export async function upload(
  source: Source,
  slot: UploadSlot,
  address: string,
  { progress, signal, retries = RETRIES }: UploadOptions
): Promise<void> {
  signal.throwIfAborted()
  const tus = await import('tus-js-client')
  const stack = new Checked(new tus.DefaultHttpStack({}))
  await new Promise<void>((done, failed) => {
    const running = new tus.Upload(new Blob(), {
      uploadUrl: address,
      uploadSize: source.size,
      headers: { Authorization: slot.authorization },
      chunkSize: PART,
      retryDelays: retries,
      storeFingerprintForResuming: false,
      httpStack: stack,
      fileReader: { openFile: () => Promise.resolve(reader(source)) },
      onShouldRetry: (error) => retryable(error.originalResponse?.getStatus() ?? 0),
      onProgress: (sent) => {
        progress(sent)
      },
      onSuccess: () => {
        done()
      },
      onError: (error) => {
        const response = 'originalResponse' in error ? error.originalResponse : null
        failed(new UploadFailed(reasonOf(response?.getStatus() ?? 0)))
      }
    })
    signal.addEventListener(
      'abort',
      () => {
        void running.abort()
        failed(signal.reason as Error)
      },
      { once: true }
    )
    running.start()
  })
}

function reader(source: Source): {
  size: number
  slice(start: number, end: number): Promise<{ value: Blob; done: boolean }>
  close(): void
} {
  return {
    size: source.size,
    slice: async (start, end) => {
      const last = Math.min(end, source.size)
      return { value: new Blob([await source.read(start, last)]), done: last >= source.size }
    },
    close: () => undefined
  }
}

/** 423: another upload of the same file, such as an earlier one whose connection the server has not given up yet. */
function retryable(status: number): boolean {
  return status === 0 || status === 409 || status === 423 || status === 429 || status === 460 || status >= 500
}

function reasonOf(status: number): UploadFailed['reason'] {
  if (status === 507) return 'full'
  return [400, 401, 403, 404, 410, 413].includes(status) ? 'slot' : 'lost'
}

/** Adds the digest of each part (tus, Checksum extension). */
class Checked implements HttpStack {
  constructor(private readonly inner: HttpStack) {}

  createRequest(method: string, url: string): HttpRequest {
    const request = this.inner.createRequest(method, url)
    const send = request.send.bind(request)
    request.send = async (body: unknown): Promise<HttpResponse> => {
      if (method !== 'PATCH' || !(body instanceof Blob)) return send(body)
      const bytes = new Uint8Array(await body.arrayBuffer())
      const digest = await crypto.subtle.digest('SHA-256', bytes)
      request.setHeader('Upload-Checksum', `sha256 ${base64.encode(new Uint8Array(digest))}`)
      // a browser reads a Blob where it needs it; under Node only bytes can be sent
      return send(typeof XMLHttpRequest === 'undefined' ? bytes : body)
    }
    return request
  }

  getName(): string {
    return 'Checked'
  }
}

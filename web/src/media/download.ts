/** Downloads files. What arrives is bounded, and goes on after a lost connection where it was (RFC 9110 §14). */
import { pause } from './pause'

/**
 * `gone`: the server does not have the file any more; `lost`: no connection, or the server has trouble; `refused`: the
 * answer is not what was described, such as more bytes.
 */
export class DownloadFailed extends Error {
  constructor(readonly reason: 'gone' | 'lost' | 'refused') {
    super(reason)
  }
}

export interface DownloadOptions {
  /** Bytes that the file must not exceed. */
  most: number
  /** Bytes that the file has; undefined: unknown. */
  exactly?: number | undefined
  progress?(received: number, size: number | undefined): void
  signal?: AbortSignal
  /** For tests. */
  get?: typeof fetch
  retries?: number[]
}

/** Milliseconds before each further attempt. */
export const RETRIES = [500, 2000, 5000]

/** Rejects with DownloadFailed, or the reason of the signal. */
export async function download(url: string, options: DownloadOptions): Promise<Blob> {
  const { most, exactly, signal, get = fetch, retries = RETRIES } = options
  const parts: Uint8Array<ArrayBuffer>[] = []
  const state = { received: 0, tag: '' }
  for (let attempt = 0; ; attempt++) {
    try {
      await pass(url, parts, state, options, get)
      if (exactly !== undefined && state.received !== exactly) throw new DownloadFailed('refused')
      return new Blob(parts)
    } catch (error) {
      signal?.throwIfAborted()
      const wait = retries[attempt]
      if (error instanceof DownloadFailed && error.reason !== 'lost') throw error
      if (wait === undefined || state.received > most) throw new DownloadFailed('lost')
      await pause(wait, signal)
    }
  }
}

async function pass(
  url: string,
  parts: Uint8Array<ArrayBuffer>[],
  state: { received: number; tag: string },
  { most, exactly, progress, signal }: DownloadOptions,
  get: typeof fetch
): Promise<void> {
  const from = state.tag ? state.received : 0
  const headers = from ? { Range: `bytes=${String(from)}-`, 'If-Range': state.tag } : {}
  const answer = await get(url, {
    headers,
    signal: signal ?? null,
    credentials: 'omit',
    referrerPolicy: 'no-referrer'
  })
  if (answer.status === 404 || answer.status === 410) throw new DownloadFailed('gone')
  if (answer.status === 416 && from) return
  if (!answer.ok) throw new DownloadFailed(answer.status >= 500 || answer.status === 429 ? 'lost' : 'refused')
  if (answer.status !== 206 || !from) {
    parts.length = 0
    state.received = 0
  }
  state.tag = answer.headers.get('ETag') ?? ''
  const length = Number(answer.headers.get('Content-Length') ?? NaN)
  const size = exactly ?? (Number.isFinite(length) ? state.received + length : undefined)
  if (size !== undefined && size > most) throw new DownloadFailed('refused')
  const reader = answer.body?.getReader()
  if (!reader) return
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    state.received += value.length
    if (state.received > Math.min(most, exactly ?? most)) {
      await reader.cancel().catch(() => undefined)
      throw new DownloadFailed('refused')
    }
    parts.push(value)
    progress?.(state.received, size)
  }
}

/** A file on a media server, read by ranges (RFC 9110 §14). */
import type { Bytes } from '../local/bytes'
import { DownloadFailed, RETRIES } from './download'
import { pause } from './pause'
import type { Source } from './source'

/** Bytes that are asked for at once: more would not be noticed when the connection breaks. */
const LARGEST = 64 << 20

/** `address`: where it is, for this page. Reading rejects with DownloadFailed, or with the reason of the signal. */
export function remoteSource(
  address: () => Promise<string>,
  size: number,
  get: typeof fetch = (...all) => fetch(...all)
): Source {
  return {
    size,
    async read(from, to, signal) {
      if (from < 0 || to <= from || to > size || to - from > LARGEST) throw new DownloadFailed('refused')
      const url = await address()
      let answer: Response
      try {
        answer = await get(url, {
          headers: { Range: `bytes=${String(from)}-${String(to - 1)}` },
          signal: signal ?? null,
          credentials: 'omit',
          referrerPolicy: 'no-referrer'
        })
      } catch (error) {
        signal?.throwIfAborted()
        throw error instanceof DownloadFailed ? error : new DownloadFailed('lost')
      }
      if (answer.status === 404 || answer.status === 410) throw new DownloadFailed('gone')
      if (answer.status >= 500 || answer.status === 429) throw new DownloadFailed('lost')
      if (answer.status !== 206) throw new DownloadFailed('refused')
      return exactly(answer, to - from, signal)
    }
  }
}

/** The same source for whoever has nothing else to choose: it waits for a connection that was lost, for a while. */
export function patientSource({ size, read }: Source, retries: readonly number[] = RETRIES): Source {
  return {
    size,
    async read(from, to, signal) {
      for (const wait of retries) {
        try {
          return await read(from, to, signal)
        } catch (error) {
          if (!(error instanceof DownloadFailed) || error.reason !== 'lost') throw error
          await pause(wait, signal)
        }
      }
      return read(from, to, signal)
    }
  }
}

/** The body of an answer, which has to have so many bytes: no more are taken. */
async function exactly(answer: Response, size: number, signal: AbortSignal | undefined): Promise<Bytes> {
  const all = new Uint8Array(size)
  const reader = (answer.body ?? new Blob().stream()).getReader()
  let at = 0
  for (;;) {
    let next: ReadableStreamReadResult<Uint8Array>
    try {
      next = await reader.read()
    } catch {
      signal?.throwIfAborted()
      throw new DownloadFailed('lost')
    }
    if (next.done) break
    if (at + next.value.length > size) {
      await reader.cancel().catch(() => undefined)
      throw new DownloadFailed('refused')
    }
    all.set(next.value, at)
    at += next.value.length
  }
  if (at < size) throw new DownloadFailed('lost')
  return all
}

/** Bytes that can be read from any place, without holding all of them: a file, its ciphertext, what a server has. */
import type { Bytes } from '../local/bytes'

export interface Source {
  readonly size: number
  /** The bytes from one offset to another, exclusive; both are within the size. */
  read(from: number, to: number, signal?: AbortSignal): Promise<Bytes>
}

export function blobSource(blob: Blob): Source {
  return {
    size: blob.size,
    read: async (from, to) => new Uint8Array(await blob.slice(from, to).arrayBuffer())
  }
}

/** A source as a stream, in pieces of at most so many bytes. It is read as fast as the stream is. */
export function streamOf(source: Source, piece: number, from = 0): ReadableStream<Bytes> {
  let at = from
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        const to = Math.min(at + piece, source.size)
        if (at < to) controller.enqueue(await source.read(at, to))
        at = to
        if (at >= source.size) controller.close()
      }
    },
    { highWaterMark: 1 }
  )
}

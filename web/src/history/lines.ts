/**
 * Records as bytes: JSON lines, compressed with DEFLATE. Decompression is bounded, so that a decompression bomb does no
 * harm.
 */
import type { Bytes } from '../local/bytes'

/** The maximum length of a line, in characters; pictures are the largest. */
export const LONGEST_LINE = 2_000_000
/** The maximum size of one decompressed part of a transfer, in bytes. */
export const LARGEST_PART = 4 * 1024 * 1024

/** What was read is too long, or was not written by this app. */
export class Damaged extends Error {}

export async function packed(lines: string[]): Promise<Bytes> {
  const text = lines.map((line) => `${line}\n`).join('')
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream('deflate-raw'))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}

/** Decompresses. Throws Damaged. */
export async function unpacked(data: Bytes): Promise<string[]> {
  const lines: string[] = []
  for await (const line of linesOf(new Blob([data]).stream(), 'deflate-raw', LARGEST_PART)) lines.push(line)
  return lines
}

/** The lines of a compressed stream, one after the other. Throws Damaged; the lines before that were valid. */
export async function* linesOf(
  source: ReadableStream<Uint8Array>,
  format: CompressionFormat,
  most = Infinity
): AsyncGenerator<string> {
  const text = new TextDecoder('utf-8', { fatal: true })
  const inflated = source.pipeThrough(
    new DecompressionStream(format) as unknown as ReadableWritablePair<Uint8Array, Uint8Array>
  )
  const reader = inflated.getReader()
  let rest = ''
  let size = 0
  try {
    for (;;) {
      const { done, value } = await read(reader)
      size += value?.length ?? 0
      if (size > most) throw new Damaged('too much')
      rest += decoded(text, value)
      let from = 0
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', from)) {
        yield rest.slice(from, end)
        from = end + 1
      }
      rest = rest.slice(from)
      if (rest.length > LONGEST_LINE) throw new Damaged('a line without end')
      if (done) break
    }
    if (rest) throw new Damaged('cut off')
  } finally {
    reader.cancel().catch(() => undefined)
  }
}

async function read(
  reader: ReadableStreamDefaultReader<Uint8Array>
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read()
  } catch (error) {
    throw error instanceof Damaged ? error : new Damaged(String(error))
  }
}

function decoded(text: TextDecoder, bytes: Uint8Array | undefined): string {
  try {
    return bytes ? text.decode(bytes, { stream: true }) : text.decode()
  } catch {
    throw new Damaged('not UTF-8')
  }
}

/**
 * A rendition of a video, or its sound, as encrypted segments of different lengths: the initialization, then fragments of
 * about two seconds, and at the end an encrypted list of where they are (docs/media.md).
 */
import type { Bytes } from '../local/bytes'
import { Forged, SegmentCipher, TAG } from './segments'
import type { Source } from './source'

/** `ms`: where it begins in the video. The first segment is the initialization. */
export interface Fragment {
  data: Blob
  ms: number
}

export interface SealedStream {
  /** The ciphertext of the segments, and of the index behind them. */
  blob: Blob
  /** Where the index is: offset and length in bytes. */
  index: [number, number]
}

/** More than four hours of fragments of two seconds; and more bytes than any of them has. */
const MOST_SEGMENTS = 10_000
const MOST_BYTES = 64 << 20
const MOST_INDEX = 1 << 20

/** Encrypts a stream. There has to be at least one segment. */
export async function sealStream(
  cipher: SegmentCipher,
  fragments: AsyncIterable<Fragment> | Iterable<Fragment>
): Promise<SealedStream> {
  const parts: Blob[] = []
  const segments: [number, number][] = []
  const add = async ({ data, ms }: Fragment, last: boolean): Promise<void> => {
    const sealed = await cipher.seal(segments.length, last, new Uint8Array(await data.arrayBuffer()))
    segments.push([sealed.length, Math.round(ms)])
    parts.push(new Blob([sealed]))
  }
  let held: Fragment | undefined
  for await (const fragment of fragments) {
    if (held) await add(held, false)
    held = fragment
  }
  if (!held) throw new RangeError('a stream without segments')
  await add(held, true)
  const offset = parts.reduce((sum, { size }) => sum + size, 0)
  const index = await cipher.sealIndex(new TextEncoder().encode(JSON.stringify({ segments })))
  return { blob: new Blob([...parts, new Blob([index])]), index: [offset, index.length] }
}

/** One segment of a stream that is played: `from` and `to` are offsets in the ciphertext. */
export interface Segment {
  from: number
  to: number
  ms: number
}

/** The segments of an encrypted stream. */
export class OpenedStream {
  private constructor(
    private readonly cipher: SegmentCipher,
    private readonly source: Pick<Source, 'read'>,
    readonly segments: readonly Segment[]
  ) {}

  /** Reads the index. Throws Forged, or whatever reading throws. */
  static async open(
    cipher: SegmentCipher,
    source: Pick<Source, 'read'>,
    index: [number, number],
    signal?: AbortSignal
  ): Promise<OpenedStream> {
    const [offset, bytes] = index
    if (!(offset > 0 && bytes > TAG && bytes <= MOST_INDEX)) throw new Forged('not an index')
    const data = await cipher.openIndex(await source.read(offset, offset + bytes, signal))
    return new OpenedStream(cipher, source, segmentsOf(new TextDecoder().decode(data), offset))
  }

  /** The index of the fragment that has this moment. */
  at(ms: number): number {
    const next = this.segments.findIndex((one, index) => index > 1 && one.ms > ms)
    return next === -1 ? this.segments.length - 1 : next - 1
  }

  /** The plaintext of a segment. Throws Forged, or whatever reading throws. */
  async read(index: number, signal?: AbortSignal): Promise<Bytes> {
    const segment = this.segments[index]
    if (!segment) throw new RangeError('no such segment')
    const sealed = await this.source.read(segment.from, segment.to, signal)
    return this.cipher.open(index, index === this.segments.length - 1, sealed)
  }
}

function segmentsOf(text: string, offset: number): Segment[] {
  let list: unknown
  try {
    list = (JSON.parse(text) as { segments?: unknown } | null)?.segments
  } catch {
    list = undefined
  }
  if (!Array.isArray(list) || list.length < 1 || list.length > MOST_SEGMENTS) throw new Forged('not an index')
  let from = 0
  let before = 0
  const segments = list.map((one: unknown): Segment => {
    const [bytes, ms] = (Array.isArray(one) ? one : []) as unknown[]
    const right =
      Number.isSafeInteger(bytes) && (bytes as number) >= TAG && (bytes as number) <= MOST_BYTES &&
      Number.isFinite(ms) && (ms as number) >= before // prettier-ignore
    if (!right) throw new Forged('not an index')
    before = ms as number
    const segment = { from, to: from + (bytes as number), ms: before }
    from = segment.to
    return segment
  })
  if (from !== offset) throw new Forged('cut off')
  return segments
}

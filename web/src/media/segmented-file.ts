/**
 * A file as encrypted segments of 1 MiB. Both directions are sources: bytes of the ciphertext are encrypted, and bytes of
 * the plaintext decrypted, when they are read, from any place. Nothing holds more than two segments.
 */
import type { Bytes } from '../local/bytes'
import { Forged, SEGMENT, SegmentCipher, TAG } from './segments'
import type { Source } from './source'

const SEALED = SEGMENT + TAG
/** The name of the stream that a file is. */
const FILE = 'file'

/** Bytes of ciphertext for so many bytes of plaintext. An empty file has one segment, which is empty. */
export function sealedSize(size: number): number {
  return size + Math.max(1, Math.ceil(size / SEGMENT)) * TAG
}

/** Bytes of plaintext in so many bytes of ciphertext. Throws Forged if no file has that many. */
export function plainSize(sealed: number): number {
  const whole = Math.floor(sealed / SEALED)
  const rest = sealed % SEALED
  const size = whole * SEGMENT + Math.max(0, rest - TAG)
  if (!Number.isSafeInteger(sealed) || sealedSize(size) !== sealed) throw new Forged('cut off')
  return size
}

/** The ciphertext of a file. */
export async function sealedFile(file: Source, key: Bytes): Promise<Source> {
  const cipher = await SegmentCipher.of(key, FILE)
  const last = Math.max(0, Math.ceil(file.size / SEGMENT) - 1)
  return pieces(sealedSize(file.size), SEALED, async (index) => {
    const data = await file.read(index * SEGMENT, Math.min((index + 1) * SEGMENT, file.size))
    return cipher.seal(index, index === last, data)
  })
}

/**
 * The plaintext of a file, from its ciphertext. What is read is authenticated. Reading rejects with Forged. `size`: what
 * the descriptor says of the plaintext, if it says it.
 */
export async function openedFile(sealed: Source, key: Bytes, size?: number): Promise<Source> {
  const plain = plainSize(sealed.size)
  if (size !== undefined && size !== plain) throw new Forged('cut off')
  const cipher = await SegmentCipher.of(key, FILE)
  const last = Math.max(0, Math.ceil(plain / SEGMENT) - 1)
  const open = async (index: number, signal?: AbortSignal): Promise<Bytes> => {
    const data = await sealed.read(index * SEALED, Math.min((index + 1) * SEALED, sealed.size), signal)
    return cipher.open(index, index === last, data)
  }
  // nothing of an empty file is ever read, and it is to be authenticated as well
  if (plain === 0) await open(0)
  return pieces(plain, SEGMENT, open)
}

/** A source of pieces of the same size, of which the last one made is kept. */
function pieces(
  size: number,
  piece: number,
  make: (index: number, signal?: AbortSignal) => Promise<Bytes>
): Source {
  let kept: { index: number; data: Promise<Bytes> } | undefined
  const at = async (index: number, signal?: AbortSignal): Promise<Bytes> => {
    if (kept?.index !== index) kept = { index, data: make(index, signal) }
    const { data } = kept
    try {
      return await data
    } catch (error) {
      if (kept.data === data) kept = undefined // so that it can be tried again
      throw error
    }
  }
  return {
    size,
    async read(from, to, signal) {
      if (from < 0 || to > size || from > to) throw new RangeError('outside of the file')
      const all = new Uint8Array(to - from)
      for (let next = from; next < to;) {
        const index = Math.floor(next / piece)
        const start = index * piece
        const part = (await at(index, signal)).subarray(next - start, to - start)
        if (part.length === 0) throw new Forged('cut off')
        all.set(part, next - from)
        next += part.length
      }
      return all
    }
  }
}

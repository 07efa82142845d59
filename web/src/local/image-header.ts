/**
 * What kind of picture a file is and how large, from its own bytes: a few of them may become gigabytes when they are
 * drawn, so this is known before a browser decodes anything. Formats that browsers draw: PNG, JPEG, WebP, GIF, AVIF.
 */
import { sizeOf, typeOf } from './picture'

/** Pixels that are decoded at most; a camera of 100 megapixels has no place in a chat. */
export const MAX_PIXELS = 64_000_000
const LONGEST_SIDE = 16_384
/** Bytes in which the size has to be. JPEGs may have previews and profiles before it. */
const HEAD = 512 * 1024

export interface ImageHeader {
  type: string
  width: number
  height: number
  /** It is of a kind that may move, and says so or may not say. */
  moves?: true
}

/** Undefined: it is no picture that browsers draw, or too large to be drawn. */
export async function imageHeader(file: Blob): Promise<ImageHeader | undefined> {
  return headerOf(new Uint8Array(await file.slice(0, HEAD).arrayBuffer()))
}

export function headerOf(bytes: Uint8Array): ImageHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const type = typeOf(bytes) || otherType(bytes)
  let size: [number, number] | undefined
  try {
    if (type === 'image/gif') size = [view.getUint16(6, true), view.getUint16(8, true)]
    else if (type === 'image/avif') size = avifSize(bytes, view)
    else size = sizeOf(type, view)
  } catch {
    return undefined // it ends before the size
  }
  if (!type || !size) return undefined
  const [width, height] = size
  const fits =
    width > 0 && height > 0 && Math.max(width, height) <= LONGEST_SIDE && width * height <= MAX_PIXELS
  return fits ? { type, width, height, ...(mayMove(type, bytes) && { moves: true }) } : undefined
}

/** Whether there may be more than one frame: GIF, animated WebP (RFC 9649 §2.7), PNG (`acTL`) and AVIF (`avis`). */
function mayMove(type: string, bytes: Uint8Array): boolean {
  if (type === 'image/webp') return text(bytes, 12, 16) === 'VP8X' && ((bytes[20] ?? 0) & 2) !== 0
  if (type === 'image/avif') return text(bytes, 8, 12) === 'avis'
  return type === 'image/gif' || (type === 'image/png' && text(bytes, 33, 4096).includes('acTL'))
}

function text(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to))
}

function otherType(bytes: Uint8Array): string {
  const start = text(bytes, 0, 16)
  if (/^GIF8[79]a/.test(start)) return 'image/gif'
  return /^[\s\S]{4}ftypavi[fs]/.test(start) ? 'image/avif' : ''
}

/** The largest `ispe` box (ISO 23008-12 §6.5.3): grids and thumbnails have their own. */
function avifSize(bytes: Uint8Array, view: DataView): [number, number] | undefined {
  let found: [number, number] | undefined
  for (let at = 4; at + 16 <= Math.min(bytes.length, 65_536); at++) {
    if (bytes[at] !== 0x69 || bytes[at + 1] !== 0x73 || bytes[at + 2] !== 0x70 || bytes[at + 3] !== 0x65)
      continue
    const size: [number, number] = [view.getUint32(at + 8), view.getUint32(at + 12)]
    if (!found || size[0] * size[1] > found[0] * found[1]) found = size
  }
  return found
}

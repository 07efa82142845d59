/**
 * The type and size of a picture, from its first bytes, regardless of what others say about it. A small file may become
 * an image that takes gigabytes to draw, so its size is checked before a browser decodes it: PNG (ISO 15948 §11.2.2),
 * JPEG (ITU-T T.81 §B.2.2), WebP (RFC 9649).
 */

/** The maximum size of others' profile pictures, in bytes. */
export const LARGEST_PICTURE = 256 * 1024
/** The maximum width and height, in pixels. */
const LONGEST_SIDE = 4096
const MAX_PIXELS = 4_200_000

type Size = [width: number, height: number]

/** The media type; empty: it is not a picture that can be shown. */
export function pictureType(bytes: Uint8Array): string {
  if (bytes.length > LARGEST_PICTURE) return ''
  const type = typeOf(bytes)
  const [width, height] = (type &&
    sizeOf(type, new DataView(bytes.buffer, bytes.byteOffset, bytes.length))) || [0, 0]
  const fits = width > 0 && height > 0 && width <= LONGEST_SIDE && height <= LONGEST_SIDE
  return fits && width * height <= MAX_PIXELS ? type : ''
}

/** The media type; empty: neither PNG, JPEG nor WebP. */
export function typeOf(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, 12))
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png'
  if (start.startsWith('\xff\xd8\xff')) return 'image/jpeg'
  return start.startsWith('RIFF') && start.endsWith('WEBP') ? 'image/webp' : ''
}

/** Undefined: it ends before the size. */
export function sizeOf(type: string, view: DataView): Size | undefined {
  try {
    if (type === 'image/png') return [view.getUint32(16), view.getUint32(20)]
    if (type === 'image/webp') return webp(view)
    return type === 'image/jpeg' ? jpeg(view) : undefined
  } catch {
    return undefined // it ends before the size
  }
}

/** The header of the first frame, which may follow other segments. */
function jpeg(view: DataView): Size | undefined {
  let at = 2
  while (view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1)
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (isFrame) return [view.getUint16(at + 7), view.getUint16(at + 5)]
    // A fill byte, or a marker without a segment
    if (marker === 0xff) at += 1
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2
    else at += 2 + view.getUint16(at + 2)
  }
  return undefined
}

function webp(view: DataView): Size | undefined {
  const kind = String.fromCharCode(...[12, 13, 14, 15].map((at) => view.getUint8(at)))
  if (kind === 'VP8X') return [1 + three(view, 24), 1 + three(view, 27)]
  if (kind === 'VP8 ') return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff]
  if (kind !== 'VP8L') return undefined
  const bits = view.getUint32(21, true)
  return [1 + (bits & 0x3fff), 1 + ((bits >>> 14) & 0x3fff)]
}

function three(view: DataView, at: number): number {
  return view.getUint16(at, true) + (view.getUint8(at + 2) << 16)
}

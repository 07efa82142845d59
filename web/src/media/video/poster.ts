/** Small pictures of a video that its message carries. Runs in the worker. */
import { base64 } from '@scure/base'
import { smallSize } from '../../local/small-pictures'
import { previewOf } from '../pictures'

export interface Poster {
  /** JPEG, at most 8 KiB, base64. */
  thumbnail?: string
  /** ThumbHash, base64. */
  preview: string
}

const MOST = 8 * 1024
/** The longer side in pixels, and the quality: the first that is small enough is taken. */
const TRIES = [
  [360, 0.6],
  [320, 0.45],
  [240, 0.4],
  [160, 0.4]
] as const

export async function posterOf(picture: Blob): Promise<Poster> {
  const bitmap = await createImageBitmap(picture)
  try {
    const preview = previewOf(bitmap)
    for (const [side, quality] of TRIES) {
      const { width, height } = smallSize(bitmap, side)
      const canvas = new OffscreenCanvas(width, height)
      canvas.getContext('2d')?.drawImage(bitmap, 0, 0, width, height)
      const made = await canvas.convertToBlob({ type: 'image/jpeg', quality })
      if (made.size <= MOST)
        return { preview, thumbnail: base64.encode(new Uint8Array(await made.arrayBuffer())) }
    }
    return { preview }
  } finally {
    bitmap.close()
  }
}

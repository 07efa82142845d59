/** Makes the small copy of a picture that conversations show, so that scrolling decodes little. Runs in the worker. */
import { SMALL_SIDE, smallSize } from '../local/small-pictures'
import { NoPicture } from './no-picture'
import { openPicture } from './open-picture'

const QUALITY = 0.78

/** Throws NoPicture. */
export async function makeSmall(file: Blob): Promise<Blob> {
  const { type, picture } = await openPicture(file)
  try {
    return await smallOf(picture, type)
  } finally {
    picture.close()
  }
}

/** `type`: that of the whole picture. JPEG has no transparency, so what may be transparent becomes WebP. */
export async function smallOf(picture: ImageBitmap | OffscreenCanvas, type: string): Promise<Blob> {
  const { width, height } = smallSize(picture, SMALL_SIDE)
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d')
  if (!context) throw new NoPicture()
  context.imageSmoothingQuality = 'high'
  context.drawImage(picture, 0, 0, width, height)
  // a browser that can't write WebP makes PNG of it
  const small = type === 'image/jpeg' ? type : 'image/webp'
  return canvas.convertToBlob({ type: small, quality: QUALITY })
}

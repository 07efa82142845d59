/** Makes a sticker of a picture: WebP of at most 512 pixels, transparent where the picture is. Runs in the worker. */
import { smallSize } from '../local/small-pictures'
import { LARGEST_STICKER } from '../local/stickers'
import { NoPicture } from './no-picture'
import { openPicture } from './open-picture'

export interface Sticker {
  data: Blob
  width: number
  height: number
}

const SIDE = 512
const QUALITIES = [0.9, 0.75, 0.5]

/** Throws NoPicture. */
export async function makeSticker(file: Blob): Promise<Sticker> {
  const { picture } = await openPicture(file)
  try {
    const { width, height } = smallSize(picture, SIDE)
    const canvas = new OffscreenCanvas(width, height)
    const context = canvas.getContext('2d')
    if (!context) throw new NoPicture()
    context.imageSmoothingQuality = 'high'
    context.drawImage(picture, 0, 0, width, height)
    for (const quality of QUALITIES) {
      // a browser that can't write WebP makes PNG of it, which is as good
      const data = await canvas.convertToBlob({ type: 'image/webp', quality })
      if (data.size <= LARGEST_STICKER) return { data, width, height }
    }
    throw new NoPicture()
  } finally {
    picture.close()
  }
}

/**
 * Makes of a picture what is sent: upright, cropped and drawn on as wished, scaled, as JPEG without metadata, with a
 * ThumbHash. Runs in the worker.
 */
import { base64 } from '@scure/base'
import { rgbaToThumbHash } from 'thumbhash'
import { wantsSmall } from '../local/small-pictures'
import { NoPicture } from './no-picture'
import { openPicture } from './open-picture'
import { drawEdited, type PictureEdit, turned, WHOLE } from './picture-edit'
import { smallOf } from './small'

export type Quality = 'standard' | 'hd'

export interface Prepared {
  data: Blob
  type: string
  width: number
  height: number
  /** ThumbHash, base64. */
  preview: string
  /** What this device shows of it in the conversation, if that is not the picture itself. */
  small?: Blob
}

/** The longer side in pixels, and the quality of JPEG. */
const QUALITIES: Record<Quality, { side: number; quality: number }> = {
  standard: { side: 1600, quality: 0.8 },
  hd: { side: 3840, quality: 0.86 }
}
/** Bytes up to which a GIF is sent as it is, since it may move. */
const LARGEST_GIF = 12 * 1024 * 1024
/** ThumbHash takes no more. */
const PREVIEW_SIDE = 100

/** Throws NoPicture. */
export async function preparePicture(
  file: Blob,
  quality: Quality,
  edit: PictureEdit = { turn: 0, strokes: [] }
): Promise<Prepared> {
  const { type, picture } = await openPicture(file)
  try {
    const changed = edit.turn !== 0 || edit.crop !== undefined || edit.strokes.length > 0
    if (type === 'image/gif' && !changed && file.size <= LARGEST_GIF) {
      const preview = previewOf(picture)
      return { data: file, type, width: picture.width, height: picture.height, preview }
    }
    const { side, quality: jpeg } = QUALITIES[quality]
    const canvas = drawn(picture, edit, side)
    const data = await canvas.convertToBlob({ type: 'image/jpeg', quality: jpeg })
    const small = wantsSmall(canvas) ? { small: await smallOf(canvas, 'image/jpeg') } : {}
    const { width, height } = canvas
    return { data, type: 'image/jpeg', width, height, preview: previewOf(canvas), ...small }
  } finally {
    picture.close()
  }
}

function drawn(picture: ImageBitmap, edit: PictureEdit, longest: number): OffscreenCanvas {
  const { width, height } = turned(picture, edit.turn)
  const cut = edit.crop ?? WHOLE
  const scale = Math.min(1, longest / Math.max(width * cut.width, height * cut.height))
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(width * cut.width * scale)),
    Math.max(1, Math.round(height * cut.height * scale))
  )
  const context = contextOf(canvas)
  context.fillStyle = '#fff' // JPEG has no transparency
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.imageSmoothingQuality = 'high'
  drawEdited(context, picture, edit, { width: width * scale, height: height * scale })
  return canvas
}

/** The ThumbHash of a picture, base64. */
export function previewOf(picture: ImageBitmap | OffscreenCanvas): string {
  const scale = PREVIEW_SIDE / Math.max(picture.width, picture.height, PREVIEW_SIDE)
  const width = Math.max(1, Math.round(picture.width * scale))
  const height = Math.max(1, Math.round(picture.height * scale))
  const context = contextOf(new OffscreenCanvas(width, height))
  context.drawImage(picture, 0, 0, width, height)
  return base64.encode(rgbaToThumbHash(width, height, context.getImageData(0, 0, width, height).data))
}

function contextOf(canvas: OffscreenCanvas): OffscreenCanvasRenderingContext2D {
  const context = canvas.getContext('2d')
  if (!context) throw new NoPicture()
  return context
}

/** What is changed in a picture before it is sent, drawn: in the editor, and on what is sent, so that both look the same. */

/** Parts of width and height of the picture as it is turned. */
export interface Crop {
  x: number
  y: number
  width: number
  height: number
}

export const WHOLE: Crop = { x: 0, y: 0, width: 1, height: 1 }

export interface Stroke {
  colour: string
  /** Of the longer side of the picture as it is turned. */
  width: number
  /** Points, as parts of width and height of the picture as it is turned. */
  points: [number, number][]
}

export interface PictureEdit {
  /** Degrees clockwise. */
  turn: 0 | 90 | 180 | 270
  crop?: Crop
  strokes: readonly Stroke[]
}

interface Size {
  width: number
  height: number
}

type Context = OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D

/** The size of a picture as it is turned. */
export function turned({ width, height }: Size, turn: PictureEdit['turn']): Size {
  return turn === 90 || turn === 270 ? { width: height, height: width } : { width, height }
}

/** Draws what is left of a picture. `whole`: the size of all of it as it is turned, in units of the context. */
export function drawEdited(
  context: Context,
  picture: CanvasImageSource,
  { turn, crop = WHOLE, strokes }: PictureEdit,
  whole: Size
): void {
  const { width: w, height: h } = whole
  context.translate(-crop.x * w, -crop.y * h)
  context.save()
  context.translate(w / 2, h / 2)
  context.rotate((turn * Math.PI) / 180)
  const upright = turned(whole, turn)
  context.drawImage(picture, -upright.width / 2, -upright.height / 2, upright.width, upright.height)
  context.restore()
  for (const stroke of strokes) drawStroke(context, stroke, w, h)
}

function drawStroke(context: Context, { colour, width, points }: Stroke, w: number, h: number): void {
  const [first, ...others] = points
  if (!first) return
  context.strokeStyle = colour
  context.lineWidth = width * Math.max(w, h)
  context.lineCap = 'round'
  context.lineJoin = 'round'
  context.beginPath()
  context.moveTo(first[0] * w, first[1] * h)
  for (const [x, y] of others.length ? others : [first]) context.lineTo(x * w, y * h)
  context.stroke()
}

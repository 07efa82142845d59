/** Lines that are drawn on a picture: in the editor, and on what is sent, so that both look the same. */

export interface Stroke {
  colour: string
  /** Of the longer side of the picture as it is turned. */
  width: number
  /** Points, as parts of width and height of the picture as it is turned. */
  points: [number, number][]
}

/** `w`, `h`: of the whole picture as it is turned, in units of the context. */
export function drawStroke(
  context: OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D,
  { colour, width, points }: Stroke,
  w: number,
  h: number
): void {
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

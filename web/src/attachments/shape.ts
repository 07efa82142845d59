/** The size of a picture in a conversation, before anything of it is loaded. */
const WIDEST = 320
const TALLEST = 380
const SMALLEST = 150

export interface Shape {
  /** CSS pixels. */
  width: number
  height: number
}

/** Very wide and very tall pictures are cut. Without a size it is a square. */
export function shapeOf(width = 1, height = 1): Shape {
  const ratio = Math.min(2.4, Math.max(0.55, width / height))
  const scale = Math.min(WIDEST / ratio, TALLEST)
  const tall = Math.max(scale, SMALLEST)
  return { width: Math.round(Math.min(WIDEST, Math.max(SMALLEST, tall * ratio))), height: Math.round(tall) }
}

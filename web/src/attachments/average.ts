/** The colour of a picture as a whole. */
import { base64 } from '@scure/base'
import { thumbHashToAverageRGBA } from 'thumbhash'

/** `preview`: a ThumbHash in base64, from whoever has sent it. Undefined: it is none. */
export function averageColour(preview: string): string | undefined {
  try {
    const { r, g, b } = thumbHashToAverageRGBA(base64.decode(preview))
    const [red, green, blue] = [r, g, b].map((part) => Math.round(255 * Math.min(1, Math.max(0, part))))
    return `rgb(${String(red)} ${String(green)} ${String(blue)})`
  } catch {
    return undefined
  }
}

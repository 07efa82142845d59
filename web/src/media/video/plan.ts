/** What a video is encoded as: renditions for slow and fast connections, of which the largest is also the whole file. */

export interface Rendition {
  /** Of the stream: the shorter side in pixels. */
  name: string
  width: number
  height: number
  /** Bits per second. */
  bitrate: number
}

/** The shorter side of the largest rendition. */
const LARGEST = 720
const LADDER = [240, 480, LARGEST]
/** A rendition has to be so much larger than the one below it. */
const STEP = 1.25
/** Bits per second of 240 p; others have more in proportion to their pixels. */
const BITRATE = 250_000
const PIXELS = 426 * 240
/** Bits per second of the sound, if it is encoded. */
export const SOUND = 64_000

/**
 * The renditions of a video, the smallest first. `bitrate`: of the source; none has more, since that would gain nothing.
 */
export function renditionsOf(width: number, height: number, bitrate = Infinity): Rendition[] {
  const short = Math.max(2, Math.min(width, height))
  const top = Math.min(short, LARGEST)
  const sides = [...LADDER.filter((side) => side * STEP <= top), top]
  return sides.map((side) => {
    const size = { width: even((width * side) / short), height: even((height * side) / short) }
    const wanted = (BITRATE * size.width * size.height) / PIXELS
    return {
      name: String(even(side)),
      ...size,
      bitrate: Math.round(Math.min(Math.max(wanted, 80_000), bitrate))
    }
  })
}

/** Seconds and bytes up to which a video is downloaded as fast as it begins: it needs no renditions. */
const BRIEF = 6
const SMALL = 1.5 * 1024 * 1024

export function needsStreams(seconds: number, bytes: number): boolean {
  return seconds > BRIEF && bytes > SMALL
}

/** H.264 has even sides. */
function even(value: number): number {
  return Math.max(2, Math.round(value / 2) * 2)
}

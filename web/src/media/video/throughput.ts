/** What a connection gives, and which rendition that is enough for. */

/** How much a measurement counts against those before it. */
const WEIGHT = 0.4
/** Bytes below which the time is that of asking rather than of receiving. */
const TOO_SMALL = 16 * 1024
/** The connection has to give so many times what a rendition needs; more where the buffer is nearly empty. */
const MARGIN = 1.25
const CAREFUL = 2
/** Seconds of buffer from which nothing is in a hurry. */
const COMFORT = 6

export class Throughput {
  /** Bits per second; undefined: nothing was measured yet. */
  rate: number | undefined

  measured(bytes: number, ms: number): void {
    if (bytes < TOO_SMALL) return
    const rate = (bytes * 8000) / Math.max(1, ms)
    this.rate = this.rate === undefined ? rate : this.rate * (1 - WEIGHT) + rate * WEIGHT
  }

  /**
   * Which of the bitrates, in ascending order, to take: before anything is known, the first. `shared`: bits per second that
   * the sound takes; `ahead`: seconds that are buffered.
   */
  choose(bitrates: readonly number[], shared: number, ahead: number, current: number): number {
    if (this.rate === undefined) return 0
    const free = this.rate - shared
    const enough = (bitrate: number, margin: number): boolean => bitrate * margin <= free
    const best = Math.max(
      0,
      bitrates.findLastIndex((one) => enough(one, ahead < COMFORT ? CAREFUL : MARGIN))
    )
    // a full buffer carries over a short lull
    const now = bitrates[current]
    return best < current && now !== undefined && ahead > 2 * COMFORT && enough(now, 1) ? current : best
  }
}

/** One for all videos of a page: what it knows of the connection also holds for the next one. */
export const throughput = new Throughput()

/** The waveform of a voice message: 64 numbers from 0 to 31, as the descriptor has them. */
import { base64 } from '@scure/base'

const BARS = 64
const LOUDEST = 31

/**
 * The waveform of a recording, in base64. `levels`: the loudness in equal distances, from 0 to 1. What is quiet all over is
 * raised, so that its shape can be seen.
 */
export function waveformOf(levels: readonly number[]): string {
  if (!levels.length) return ''
  const bars = resampled(levels, Math.min(BARS, levels.length))
  const most = Math.max(...bars, 0.05)
  return base64.encode(Uint8Array.from(bars, (one) => Math.round((Math.min(1, one) / most) * LOUDEST)))
}

/** The bars of a waveform, from 0 to 1; a flat line if there is none. */
export function barsOf(waveform: string | undefined, count: number): number[] {
  // whoever receives one has checked that it is base64
  const values = Array.from(base64.decode(waveform ?? ''), (one) => Math.min(one, LOUDEST) / LOUDEST)
  if (!values.length) return Array.from({ length: count }, () => 0)
  return resampled(values, count)
}

/** So many values: the loudest of each stretch, or, if there are fewer, the nearest. */
export function resampled(values: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, at) => {
    const from = Math.floor((at * values.length) / count)
    const to = Math.max(from + 1, Math.floor(((at + 1) * values.length) / count))
    return Math.max(...values.slice(from, to))
  })
}

/** Loudness from samples (-1 to 1): their root mean square on a scale that resembles hearing, from 0 to 1. */
export function levelOf(samples: ArrayLike<number>): number {
  let sum = 0
  for (let at = 0; at < samples.length; at++) sum += (samples[at] ?? 0) ** 2
  const decibels = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-10)
  return Math.min(1, Math.max(0, (decibels + 54) / 48))
}

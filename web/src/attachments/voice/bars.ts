/** The path of one bar of a waveform in SVG, in the middle of so many pixels. `loudness`: from 0 to 1. */
export function barPath(loudness: number, x: number, tall: number): string {
  const half = Math.max(0.75, (loudness * (tall - 4)) / 2)
  return `M${String(x)} ${(tall / 2 - half).toFixed(1)}v${(half * 2).toFixed(1)}`
}

/** How long a text is shown. */
const SHORTEST_MS = 5000
const LONGEST_MS = 20_000
const MS_PER_CHARACTER = 55

/** Milliseconds to read a text in. */
export function durationOf(text: string): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, text.length * MS_PER_CHARACTER))
}

/** After how many seconds messages go, as others and other devices say it. */

/** Ten years: beyond, a number is taken for this one, so that it stays a time that can be counted with. */
const MOST = 315_360_000

/** -1: it is no number of seconds. */
export function secondsOf(text: string): number {
  return /^[0-9]+$/.test(text.trim()) ? Math.min(MOST, Number(text.trim())) : -1
}

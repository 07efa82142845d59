/** Parses after how many seconds messages disappear, as sent by others and by other devices. */

/** Ten years: larger values are reduced to this one, so that times can be calculated. */
const MAX_SECONDS = 315_360_000

/** -1: it is not a number of seconds. */
export function secondsOf(text: string): number {
  return /^[0-9]+$/.test(text.trim()) ? Math.min(MAX_SECONDS, Number(text.trim())) : -1
}

/** A rate limit: a number of uses at once, and more per hour. */
import type { Moment } from '../local/types'

/** How many uses were left at a time. */
export interface Budget {
  left: number
  at: Moment
}

const HOUR = 3_600_000

/**
 * The budget after one more use, or undefined if the limit is reached. `budget`: the previous one, undefined at first.
 * `most`: how many uses are allowed at once. `cost`: how many uses this one counts for.
 */
export function spend(
  budget: Budget | undefined,
  now: Moment,
  most: number,
  perHour: number,
  cost = 1
): Budget | undefined {
  const passed = budget === undefined ? 0 : Math.max(0, now - budget.at)
  const left = budget === undefined ? most : Math.min(most, budget.left + (passed / HOUR) * perHour)
  return left < cost ? undefined : { left: left - cost, at: now }
}

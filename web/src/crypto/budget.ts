/** How often something may be done: so many at once, and so many more in an hour. */
import type { Moment } from '../local/types'

export interface Budget {
  left: number
  at: Moment
}

const HOUR = 3_600_000

/** What is left after one more, or `undefined`: not now. `budget`: from before, if there was one. */
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

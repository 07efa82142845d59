/** Limits the useless work that each sender may cause. */
import type { Address, Moment } from '../local/types'
import { spend, type Budget } from './budget'

/** Useless work for one sender: about this many broken messages at once, and as many more per hour. */
const FAILURES = 100
const FAILURES_PER_HOUR = 600
const MAX_SENDERS = 1000

export class Failures {
  private readonly bySender = new Map<Address, Budget>()

  constructor(private readonly now: () => Moment) {}

  /** Whether the sender has reached the limit. */
  spent(from: Address): boolean {
    return spend(this.bySender.get(from), this.now(), FAILURES, FAILURES_PER_HOUR) === undefined
  }

  /** Counts work that was useless, or that a stranger can cause. False: the limit was reached before. */
  charge(from: Address, work: number): boolean {
    const before = this.bySender.get(from)
    const now = this.now()
    const left = spend(before, now, FAILURES, FAILURES_PER_HOUR, work)
    const nothing = { left: 0, at: now }
    const some = spend(before, now, FAILURES, FAILURES_PER_HOUR)
    if (this.bySender.size >= MAX_SENDERS && before === undefined) {
      const [oldest] = this.bySender.keys()
      if (oldest !== undefined) this.bySender.delete(oldest)
    }
    if (left !== undefined) this.bySender.set(from, left)
    else if (some !== undefined) this.bySender.set(from, nothing)
    return some !== undefined
  }
}

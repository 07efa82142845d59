/** How much work each sender may cause in vain. */
import type { Address, Moment } from '../local/types'
import { spend, type Budget } from './budget'

/** Work in vain for one sender: about as many broken messages at once, and so many more in an hour. */
const FAILURES = 100
const FAILURES_PER_HOUR = 600
const MOST_SENDERS = 1000

export class Failures {
  private readonly bySender = new Map<Address, Budget>()

  constructor(private readonly now: () => Moment) {}

  /** Whether the sender has used up what may be done for them in vain. */
  spent(from: Address): boolean {
    return spend(this.bySender.get(from), this.now(), FAILURES, FAILURES_PER_HOUR) === undefined
  }

  /** Work for this sender that came to nothing, or that a stranger can ask for. False: it was too much before. */
  charge(from: Address, work: number): boolean {
    const before = this.bySender.get(from)
    const now = this.now()
    const left = spend(before, now, FAILURES, FAILURES_PER_HOUR, work)
    const nothing = { left: 0, at: now }
    const some = spend(before, now, FAILURES, FAILURES_PER_HOUR)
    if (this.bySender.size >= MOST_SENDERS && before === undefined) {
      const [oldest] = this.bySender.keys()
      if (oldest !== undefined) this.bySender.delete(oldest)
    }
    if (left !== undefined) this.bySender.set(from, left)
    else if (some !== undefined) this.bySender.set(from, nothing)
    return some !== undefined
  }
}

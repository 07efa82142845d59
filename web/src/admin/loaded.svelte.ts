/** Something that the server was asked for, and is asked for again. The last request counts. */
import type { Answer } from '../start/api'
import { problemOf } from './problems'

export class Loaded<T> {
  value = $state.raw<T>()
  /** Why there is nothing new, for the person; empty: there is. */
  problem = $state('')
  loading = $state(false)
  private count = 0

  /** True: there is an answer, and no newer request. */
  async load(ask: () => Promise<Answer<T>>): Promise<boolean> {
    const own = ++this.count
    this.loading = true
    const answer = await ask()
    if (own !== this.count) return false
    this.loading = false
    this.problem = answer.ok ? '' : problemOf(answer.problem)
    if (answer.ok) this.value = answer.value
    return answer.ok
  }
}

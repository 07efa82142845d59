/**
 * A value that only the server has: requested when a screen opens, and again with the next connection if that failed.
 */
import type { Answer } from '../start/api'
import { problemText } from './problems'
import { session } from './session'

export interface Remote<T> {
  /** Undefined until there is an answer. A screen may set what it has just changed. */
  value: T | undefined
  /** The reason why there is no value, for the user; empty: there is none. */
  readonly problem: string
  load(): Promise<void>
}

export function remote<T>(ask: () => Promise<Answer<T>>): Remote<T> {
  const { app } = session()
  let value = $state.raw<T>()
  let problem = $state('')
  let missed = false

  async function load(): Promise<void> {
    missed = false
    const answer = await ask()
    missed = !answer.ok && answer.problem.error === 'offline'
    problem = answer.ok ? '' : problemText(answer.problem)
    if (answer.ok) value = answer.value
  }

  $effect(() => {
    void load()
    return app.live.subscribe(({ connection }) => {
      if (missed && connection === 'online') void load()
    })
  })
  return {
    get value() {
      return value
    },
    set value(now) {
      value = now
    },
    get problem() {
      return problem
    },
    load
  }
}

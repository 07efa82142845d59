/** What the server knows and this device does not keep: asked for when a screen opens, and again if it could not be reached. */
import type { Answer } from '../start/api'
import { problemText } from './problems'
import { session } from './session'

export interface Remote<T> {
  /** Undefined until the server has told it; a screen may set what it has just changed. */
  value: T | undefined
  /** Why there is nothing, to be read by a person; or empty. */
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

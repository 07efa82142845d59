/** A query of the local storage that runs again whenever its result changes. */
import { liveQuery } from 'dexie'

export interface Query<T> {
  readonly value: T
}

/**
 * `prepare` returns the query, and runs again when the state that it reads changes. Until the first result, the value
 * is `initial`.
 */
export function query<T>(prepare: () => () => T | Promise<T>, initial: T): Query<T> {
  let value = $state.raw(initial)
  $effect(() => {
    const subscription = liveQuery(prepare()).subscribe({
      next: (found) => {
        value = found
      },
      error: (error: unknown) => {
        console.error('the local storage could not be read', error)
      }
    })
    return () => {
      subscription.unsubscribe()
    }
  })
  return {
    get value() {
      return value
    }
  }
}

/** Something of the local storage that a screen shows: read again whenever what was read changes. */
import { liveQuery } from 'dexie'

export interface Query<T> {
  readonly value: T
}

/**
 * `prepare` reads what the query depends on (it is run again when that changes) and gives the query itself.
 * Until the first answer the value is `initial`.
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

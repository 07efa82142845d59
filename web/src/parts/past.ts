/** A fact in the local storage: what this device has of the time before its login. */
import type { Database } from '../local/database'
import type { Moment } from '../local/types'

/** `ask`: the user has to choose where it comes from; `without`: it stays missing, and the app says so. */
export interface Past {
  state: 'ask' | 'without' | 'settled'
  since: Moment
}

export const PAST = 'history.past'

export async function setPast(db: Database, state: Past['state'], now: Moment): Promise<void> {
  const before = await db.fact<Past>(PAST)
  await db.setFact(PAST, { state, since: before?.since ?? now } satisfies Past)
}

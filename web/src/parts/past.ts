/** What is on this device of the time before it was logged in: a fact in the local storage. */
import type { Database } from '../local/database'
import type { Moment } from '../local/types'

/** `ask`: the person has to say where it is to come from; `without`: from nowhere, and they are told so. */
export interface Past {
  state: 'ask' | 'without' | 'settled'
  since: Moment
}

export const PAST = 'history.past'

export async function setPast(db: Database, state: Past['state'], now: Moment): Promise<void> {
  const before = await db.fact<Past>(PAST)
  await db.setFact(PAST, { state, since: before?.since ?? now } satisfies Past)
}

/** Statuses are gone from the device when their day is over. */
import type { Database } from './database'
import type { Moment } from './types'

/** Removes statuses whose time is over. Returns when the next one is due; undefined: never. */
export async function sweepStatuses(db: Database, time: Moment): Promise<Moment | undefined> {
  await db.statuses
    .where('until')
    .belowOrEqual(time)
    .filter(({ progress }) => progress === 'sent')
    .delete()
  const next = await db.statuses
    .orderBy('until')
    .filter(({ progress }) => progress === 'sent')
    .first()
  return next?.until
}

/**
 * Tracks which entries of the archive are missing on this device. The state is on disk, so gaps are filled after any
 * interruption.
 */
import type { Database } from '../local/database'
import { toNow } from '../local/future'
import { timeOf } from '../local/order'
import { olderFact, READ_FROM } from '../local/reading'
import type { Moment } from '../local/types'

/** A range of archive entries that are missing: after `after` and before `before`, exclusive. */
export interface Gap {
  after: string
  before: string
  /** A time that takes the place of `after`. */
  since?: Moment
  /** On a new device: how many of the newest entries are still to be read. */
  most?: number
}

/** The number of entries that a new device reads. */
const FIRST_TIME = 500
/** The number of entries read by a device whose place in the archive can't be right. */
const HEALED = 2000
/**
 * Milliseconds before the last live message that are read again, since its id may have claimed a place that is too
 * late.
 */
const OVERLAP_MS = 1_200_000

const GAPS = 'archive.gaps'
const LAST = 'archive.last'
const HEARD = 'archive.heard'

/** The gap to read next; undefined: nothing is missing. */
export async function nextGap(db: Database): Promise<Gap | undefined> {
  return ((await db.fact<Gap[]>(GAPS)) ?? []).at(-1)
}

/**
 * Starts a new session. `newest`: the id of the newest archive entry at that time, which alone moves this device's
 * place. Live messages (`heard`) only save reading them again.
 */
export async function noteMissing(db: Database, newest: string, now: Moment): Promise<void> {
  let fooled = false
  await db.transaction('rw', db.facts, async () => {
    const last = await db.fact<string>(LAST)
    const heard = (await db.fact<string>(HEARD)) ?? ''
    const gaps = (await db.fact<Gap[]>(GAPS)) ?? []
    fooled = last !== undefined && last > newest
    if (last === undefined) {
      await db.setFact('since', now)
      if (newest) gaps.push({ after: '', before: '', most: FIRST_TIME })
    } else if (fooled) {
      // The place that an earlier version stored was not told by the archive
      if (newest) gaps.push({ after: '', before: '', most: HEALED })
    } else if (newest > last && newest !== heard) {
      const since = heard > last && heard < newest ? timeOf(heard) - OVERLAP_MS : 0
      gaps.push(last && since <= timeOf(last) ? { after: last, before: '' } : missing(last, since))
    }
    await db.setFact(GAPS, gaps)
    await db.setFact(LAST, newest)
    await db.setFact(HEARD, '')
  })
  if (fooled) await toNow(db, now)
}

/** Within a transaction: a gap was read down to `first`; `rest`: what is left of it. */
export async function shrink(db: Database, gap: Gap, rest: Gap | undefined, first: string): Promise<void> {
  const gaps = (await db.fact<Gap[]>(GAPS)) ?? []
  const others = gaps.filter((one) => one.after !== gap.after || one.since !== gap.since)
  await db.setFact(GAPS, rest ? [...others, rest] : others)
  if (rest || gap.most === undefined) return
  // On a new device, or one that lost its place, only the newest entries were read
  await db.setFact(READ_FROM, first)
  await db.facts.where('name').startsWith(olderFact('')).delete()
}

/** Within a transaction: a live message has this archive id. */
export async function heard(db: Database, id: string): Promise<void> {
  if (id && id > ((await db.fact<string>(HEARD)) ?? '')) await db.setFact(HEARD, id)
}

function missing(last: string, since: Moment): Gap {
  return since > 0 ? { after: '', before: '', since } : { after: last, before: '' }
}

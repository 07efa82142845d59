/**
 * A message's entry in the own archive: its id there (XEP-0359), its time (XEP-0203), and its addresses after a change
 * of number.
 */
import { isArchiveId, timeOf } from '../local/order'
import type { Address, Moment } from '../local/types'
import { bare } from './jid'
import { NS } from './ns'
import { attribute, child, children, type Xml } from './xml'

/** An id of a live message may be so far from now: clocks differ, and a session is resumed after a while. */
const AHEAD_MS = 600_000
const BEHIND_MS = 86_400_000

/**
 * The id that the own archive is said to have given (XEP-0359); empty: none, or none that can be. The server takes those
 * of others out; of what came late (`stamp`), the id may be older.
 */
export function archiveId(message: Xml, me: Address, stamp: Moment | undefined, now: Moment): string {
  const ids = children(message, NS.sid, 'stanza-id').filter((one) => attribute(one, 'by') === me)
  const id = attribute(ids.at(-1), 'id')
  if (ids.length !== 1 || !isArchiveId(id)) return ''
  const early = Math.min(stamp ?? now, now) - BEHIND_MS
  return timeOf(id) <= now + AHEAD_MS && timeOf(id) >= early ? id : ''
}

/** XEP-0203; undefined: it came at once. */
export function delayed(element: Xml | undefined): Moment | undefined {
  const stamp = Date.parse(attribute(child(element, NS.delay, 'delay'), 'stamp'))
  return Number.isNaN(stamp) ? undefined : stamp
}

/** When it came: its id in the archive tells, if it has one of Kith's. Nothing is from the future. */
export function archiveTime(id: string, stamp: Moment | undefined, now: Moment): Moment {
  return isArchiveId(id) ? timeOf(id) : Math.min(stamp ?? now, now)
}

/**
 * An entry of the own archive from when I had another address, as if I had had this one. `former`: from the oldest on. Of two
 * addresses that have been mine, the later one was mine then: whoever has the older number since then is somebody else.
 */
export function asNow(message: Xml, me: Address, former: ReadonlySet<Address>): Xml {
  if (!former.size) return message
  const [from, to] = [bare(attribute(message, 'from')), bare(attribute(message, 'to'))]
  const then = [...former, me].findLast((one) => one === from || one === to)
  if (then === undefined || then === me) return message
  const attributes = new Map(message.attributes)
  if (to === then) attributes.set('to', me)
  if (from === then) attributes.set('from', me)
  return { ...message, attributes }
}

/**
 * What the account's archive tells about a message: its id (XEP-0359), its time (XEP-0203), and its addresses after a
 * change of number.
 */
import { isArchiveId, timeOf } from '../local/order'
import type { Address, Moment } from '../local/types'
import { bare } from './jid'
import { NS } from './ns'
import { attribute, child, children, type Xml } from './xml'

/**
 * The maximum difference between the time in a live message's id and now, in milliseconds, since clocks differ and
 * sessions are resumed later.
 */
const AHEAD_MS = 600_000
const BEHIND_MS = 86_400_000

/**
 * The archive id of a message (XEP-0359); empty: it has none, or an implausible one. The server removes forged ids.
 * With a delay (`stamp`), the id may be older.
 */
export function archiveId(message: Xml, me: Address, stamp: Moment | undefined, now: Moment): string {
  const ids = children(message, NS.sid, 'stanza-id').filter((one) => attribute(one, 'by') === me)
  const id = attribute(ids.at(-1), 'id')
  if (ids.length !== 1 || !isArchiveId(id)) return ''
  const early = Math.min(stamp ?? now, now) - BEHIND_MS
  return timeOf(id) <= now + AHEAD_MS && timeOf(id) >= early ? id : ''
}

/** The time of a delay (XEP-0203); undefined: the message was not delayed. */
export function delayed(element: Xml | undefined): Moment | undefined {
  const stamp = Date.parse(attribute(child(element, NS.delay, 'delay'), 'stamp'))
  return Number.isNaN(stamp) ? undefined : stamp
}

/** When a message was received: the time in its archive id, if it is one of Kith's, and never in the future. */
export function archiveTime(id: string, stamp: Moment | undefined, now: Moment): Moment {
  return isArchiveId(id) ? timeOf(id) : Math.min(stamp ?? now, now)
}

/**
 * Rewrites an archive entry from before a change of number, as if the account had always had its current address.
 * `former`: the oldest first. If an entry is between two of the account's addresses, the account had the later one
 * then, and the older one already belonged to somebody else.
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

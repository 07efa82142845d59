/** Asks the server for its time (XEP-0202). */
import type { Address, Moment } from '../local/types'
import { Refused } from '../xmpp/errors'
import { domainOf } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import type { Wire } from '../xmpp/wire'
import { child, el, textOf } from '../xmpp/xml'

/**
 * In milliseconds. NaN: the server does not tell. Undefined: it could not be asked, and is asked with the next
 * connection.
 */
export async function serverTime(wire: Wire, me: Address): Promise<Moment | undefined> {
  try {
    const answer = await wire.request('get', domainOf(me), el('time', { xmlns: NS.time }))
    return Date.parse(textOf(child(child(answer, NS.time, 'time'), NS.time, 'utc')))
  } catch (error) {
    return error instanceof Refused ? NaN : undefined
  }
}

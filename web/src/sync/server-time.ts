/** Asks the server for its time (XEP-0202). */
import type { Address, Moment } from '../local/types'
import { Refused } from '../xmpp/errors'
import { domainOf } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import type { Wire } from '../xmpp/wire'
import { child, el, textOf } from '../xmpp/xml'

/**
 * The server's time, in milliseconds since 1970. NaN if the server does not support this; undefined if there was no
 * connection, and the server has to be asked again later.
 */
export async function serverTime(wire: Wire, me: Address): Promise<Moment | undefined> {
  try {
    const answer = await wire.request('get', domainOf(me), el('time', { xmlns: NS.time }))
    return Date.parse(textOf(child(child(answer, NS.time, 'time'), NS.time, 'utc')))
  } catch (error) {
    return error instanceof Refused ? NaN : undefined
  }
}

/** Stanzas of statuses (docs/status.md). */
import type { Envelope } from '../crypto/crypto'
import { isStatusId } from '../local/statuses'
import type { Address, Moment } from '../local/types'
import { encrypted, extraOf } from './encrypted'
import { bare, domainOf } from './jid'
import { NS } from './ns'
import { attribute, child, el, type OutgoingXml, type Xml } from './xml'

/** The service of a domain. */
export function statusService(domain: string): string {
  return `status.${domain}`
}

/** An entry of the account's status log. `at`: of `seen`, when; NaN: that is missing. */
export type StatusEntry =
  | { type: 'status'; author: Address; id: string; until: Moment; message: Xml }
  | { type: 'retract'; author: Address; id: string }
  | { type: 'seen'; by: Address; author: Address; id: string; at: Moment }

/** Undefined: the message is no such entry. */
export function statusEntry(message: Xml): StatusEntry | undefined {
  const from = attribute(message, 'from')
  if (attribute(message, 'type') === 'error' || !from || from !== bare(from)) return undefined
  const status = child(message, NS.status, 'status')
  const retract = child(message, NS.status, 'retract')
  const seen = child(message, NS.status, 'seen')
  const id = attribute(status ?? retract ?? seen, 'id')
  if (!isStatusId(id)) return undefined
  if (status) {
    const until = Date.parse(attribute(status, 'until'))
    return Number.isNaN(until) ? undefined : { type: 'status', author: from, id, until, message }
  }
  if (retract) return { type: 'retract', author: from, id }
  const at = Date.parse(attribute(seen, 'at'))
  return { type: 'seen', by: from, author: attribute(seen, 'author'), id, at }
}

export function statusPost(
  domain: string,
  id: string,
  seconds: number,
  people: Address[],
  envelope: Envelope
): OutgoingXml {
  return toService(
    domain,
    id,
    id,
    el('post', { xmlns: NS.status, seconds: String(seconds) }, ...people.map((jid) => el('to', { jid }))),
    encrypted(envelope),
    extraOf(envelope) ?? false
  )
}

export function statusRetract(domain: string, id: string): OutgoingXml {
  return toService(domain, `retract-${id}`, crypto.randomUUID(), el('retract', { xmlns: NS.status, id }))
}

export function statusSeen(me: Address, author: Address, id: string): OutgoingXml {
  const seen = el('seen', { xmlns: NS.status, author, id })
  return toService(domainOf(me), `seen-${id}`, crypto.randomUUID(), seen)
}

/** A page of the status log, from an entry on, exclusive; empty: from the beginning. */
export function statusQuery(queryid: string, after: string, most: number): OutgoingXml {
  return el(
    'query',
    { xmlns: NS.mam, node: NS.status, queryid },
    el('set', { xmlns: NS.rsm }, el('max', {}, String(most)), after !== '' && el('after', {}, after))
  )
}

function toService(
  domain: string,
  id: string,
  origin: string,
  ...content: (OutgoingXml | false)[]
): OutgoingXml {
  return el(
    'message',
    { xmlns: NS.client, to: statusService(domain), id },
    ...content,
    el('origin-id', { xmlns: NS.sid, id: origin })
  )
}

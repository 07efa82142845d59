/** Message carbons (XEP-0280): copies of what other devices of the account send and receive. */
import type { Address } from '../local/types'
import { bare } from './jid'
import { NS } from './ns'
import { attribute, child, type Xml } from './xml'

/**
 * A carbon from the user's own account: what it forwards, and the message in that, if it is from or to this account.
 * Carbons from anybody else, even from a device of the account, are not valid (§11).
 */
export function carbon(message: Xml, me: Address): { forwarded: Xml; message: Xml } | undefined {
  if ((attribute(message, 'from') || me) !== me) return undefined
  const sent = child(message, NS.carbons, 'sent')
  const copy = sent ?? child(message, NS.carbons, 'received')
  const forwarded = child(copy, NS.forward, 'forwarded')
  const inside = child(forwarded, NS.client, 'message')
  if (!forwarded || !inside) return undefined
  if (bare(attribute(inside, sent ? 'from' : 'to') || me) !== me) return undefined
  return { forwarded, message: inside }
}

/** Personal eventing (PEP, XEP-0163): reading and publishing items of personal nodes. */
import type { Address } from '../local/types'
import { Refused } from './errors'
import type { Wire } from './wire'
import { bare } from './jid'
import { NS } from './ns'
import { attribute, child, children, el, first, type OutgoingXml, type Xml } from './xml'

export interface Item {
  id: string
  payload: Xml | undefined
}

/** Error conditions that mean that a node has no items, or none for this account. */
const NOTHING = [
  ...['item-not-found', 'service-unavailable', 'not-authorized', 'forbidden'],
  ...['feature-not-implemented', 'not-allowed', 'closed-node', 'presence-subscription-required'],
  ...['remote-server-not-found', 'jid-malformed', 'gone']
]

export type Access = 'open' | 'presence' | 'whitelist'

/** The items of a node; empty: there are none for this account. Rejects if that is unknown. */
export async function itemsOf(wire: Wire, account: Address, node: string, id?: string): Promise<Item[]> {
  const items = el(
    'items',
    { node, max_items: id === undefined ? undefined : '1' },
    id !== undefined && el('item', { id })
  )
  try {
    const answer = await wire.request('get', account, el('pubsub', { xmlns: NS.pubsub }, items))
    return children(child(child(answer, NS.pubsub, 'pubsub'), NS.pubsub, 'items'), NS.pubsub, 'item').map(
      itemOf
    )
  } catch (error) {
    if (error instanceof Refused && error.type !== 'wait' && NOTHING.includes(error.condition)) return []
    throw error
  }
}

/** Publishes an item in a node of the user, which is created or configured as necessary. */
export async function publish(
  wire: Wire,
  node: string,
  id: string,
  payload: OutgoingXml,
  access: Access,
  many = false
): Promise<void> {
  const item = el('publish', { node }, el('item', { id }, payload))
  const options: Record<string, string> = {
    'pubsub#persist_items': 'true',
    'pubsub#access_model': access,
    ...(many && { 'pubsub#max_items': 'max', 'pubsub#send_last_published_item': 'never' })
  }
  const withOptions = el(
    'publish-options',
    {},
    form('http://jabber.org/protocol/pubsub#publish-options', options)
  )
  try {
    await wire.request('set', '', el('pubsub', { xmlns: NS.pubsub }, item, withOptions))
  } catch (error) {
    if (!(error instanceof Refused) || error.condition !== 'conflict') throw error
    const configure = el(
      'configure',
      { node },
      form('http://jabber.org/protocol/pubsub#node_config', options)
    )
    await wire.request('set', '', el('pubsub', { xmlns: NS.pubsubOwner }, configure))
    await wire.request('set', '', el('pubsub', { xmlns: NS.pubsub }, item))
  }
}

/**
 * The event of a node in a message; undefined: there is none. Events come from the bare address of an account (XEP-0163
 * §4.3); a message from a device, or an error, is none.
 */
export function eventOf(message: Xml): { node: string; items: Item[]; retracted: string[] } | undefined {
  const from = attribute(message, 'from')
  if (from !== bare(from) || attribute(message, 'type') === 'error') return undefined
  const items = child(child(message, NS.pubsubEvent, 'event'), NS.pubsubEvent, 'items')
  if (!items) return undefined
  return {
    node: attribute(items, 'node'),
    items: children(items, NS.pubsubEvent, 'item').map(itemOf),
    retracted: children(items, NS.pubsubEvent, 'retract').map((one) => attribute(one, 'id'))
  }
}

export function form(type: string, fields: Record<string, string>): OutgoingXml {
  return el(
    'x',
    { xmlns: NS.form, type: 'submit' },
    el('field', { var: 'FORM_TYPE', type: 'hidden' }, el('value', {}, type)),
    ...Object.entries(fields).map(([name, value]) => el('field', { var: name }, el('value', {}, value)))
  )
}

function itemOf(item: Xml): Item {
  return { id: attribute(item, 'id'), payload: first(item) }
}

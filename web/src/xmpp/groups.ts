/** Groups as XML (docs/protocol.md, Groups): what they tell of themselves, and what is asked of them. */
import { cleanAbout, cleanName } from '../local/names'
import { isArchiveId } from '../local/order'
import type { Address, Affiliation, Circle, Group, GroupChange, Member, SettingsChange } from '../local/types'
import { bare } from './jid'
import { NS } from './ns'
import { attribute, child, children, el, type OutgoingXml, textOf, type Xml } from './xml'

/** More members than a group can have are not read. */
const MOST_MEMBERS = 2000
const AFFILIATIONS: readonly string[] = ['owner', 'admin', 'member', 'outcast'] satisfies Affiliation[]

/** A group as the server tells it, without what is only known here. */
export type GroupState = Omit<Group, 'plain' | 'by' | 'moves'>

/**
 * Who has written a message in a group: their address, which the group vouches for. In an anonymous group, their
 * address in the group (`group@…/nick`).
 */
export function authorOf(message: Xml): Address {
  const item = child(children(message, NS.mucUser, 'x').at(-1), NS.mucUser, 'item')
  return bare(attribute(item, 'jid')) || attribute(message, 'from')
}

/** Whose message from before the user came it is, and its id in the group; undefined: it is not one. */
export function pastIn(message: Xml): { id: string; author: Address } | undefined {
  const element = child(message, NS.groups, 'history')
  const id = attribute(element, 'id')
  const nick = attribute(element, 'nick')
  const room = bare(attribute(message, 'from'))
  const author = bare(attribute(element, 'jid')) || (nick ? `${room}/${nick}` : '')
  return isArchiveId(id) && author ? { id, author } : undefined
}

/** Those who are new in a group and have not got its history, and the id of a message after those that they get. */
export function newcomersIn(answer: Xml): { jid: Address; before: string }[] {
  return children(child(answer, NS.groups, 'newcomers'), NS.groups, 'newcomer').map((one) => ({
    jid: bare(attribute(one, 'jid')),
    before: attribute(one, 'before')
  }))
}

/** How many messages a newcomer may get, before which one, and those that they have. */
export function reservedIn(answer: Xml): { before: string; most: number; given: Set<string> } {
  const history = child(answer, NS.groups, 'history')
  return {
    before: attribute(history, 'before'),
    most: natural(attribute(history, 'most')),
    given: new Set(children(history, NS.groups, 'given').map((one) => attribute(one, 'id')))
  }
}

/** What a group says has changed; undefined: it says something else. `number`: that of its members. */
export function changeIn(message: Xml): { change: GroupChange; number: number } | undefined {
  const element = child(message, NS.groups, 'change')
  if (!element) return undefined
  const name = child(element, NS.groups, 'name')
  const description = child(element, NS.groups, 'description')
  const asking = child(element, NS.groups, 'asks')
  const asks = bare(attribute(asking, 'jid'))
  const what = (['settings', 'avatar', 'destroyed'] as const).find((one) => child(element, NS.groups, one))
  const settings = settingsChanged(child(element, NS.groups, 'settings'))
  const members = children(element, NS.groups, 'member')
    .slice(0, MOST_MEMBERS)
    .map((one) => ({
      jid: bare(attribute(one, 'jid')),
      affiliation: affiliationOf(attribute(one, 'affiliation')),
      was: affiliationOf(attribute(one, 'was')),
      nick: cleanName(attribute(one, 'nick')),
      invited: attribute(one, 'invited') === 'true',
      ...(attribute(one, 'moved') && { moved: bare(attribute(one, 'moved')) })
    }))
    .filter(({ jid }) => jid !== '')
  return {
    change: {
      by: bare(attribute(element, 'by')),
      members,
      ...(name && { name: cleanName(textOf(name)) }),
      ...(description && { description: cleanAbout(textOf(description)) }),
      ...(asks && { asks, nick: cleanName(attribute(asking, 'nick')) }),
      ...(what && { what }),
      ...(settings && { settings })
    },
    number: natural(attribute(element, 'number'))
  }
}

/** The settings that a change names; undefined: none. */
function settingsChanged(element: Xml | undefined): SettingsChange | undefined {
  const said = new Map([...(element?.attributes ?? [])])
  const change: SettingsChange = {}
  for (const name of ['announce', 'approve', 'history'] as const) {
    const value = said.get(name)
    if (value !== undefined) change[name] = value === 'true'
  }
  for (const name of ['invite', 'change'] as const) {
    const value = said.get(name)
    if (value !== undefined) change[name] = value === 'admins' ? 'admins' : 'members'
  }
  const expire = said.get('expire')
  if (expire !== undefined) change.expire = natural(expire)
  return Object.keys(change).length ? change : undefined
}

/** A group in a list, or with everything about it. `address`: who was asked; empty: it says itself. */
export function groupIn(element: Xml, address: Address = ''): GroupState {
  const settings = child(element, NS.groups, 'settings')
  const on = (name: string): boolean => attribute(settings, name) === 'true'
  const circle = (name: string): Circle => (attribute(settings, name) === 'admins' ? 'admins' : 'members')
  return {
    address: address || bare(attribute(element, 'jid')),
    name: cleanName(attribute(element, 'name')),
    description: cleanAbout(textOf(child(element, NS.groups, 'description'))),
    picture: hashOf(attribute(element, 'avatar')),
    number: natural(attribute(element, 'number')),
    affiliation: affiliationOf(attribute(element, 'affiliation')),
    invited: attribute(element, 'invited') === 'true',
    created: momentOf(attribute(element, 'created')),
    creator: bare(attribute(element, 'creator')),
    settings: {
      announce: on('announce'),
      approve: on('approve'),
      history: on('history'),
      invite: circle('invite'),
      change: circle('change'),
      expire: natural(attribute(settings, 'expire')),
      anonymous: on('anonymous'),
      public: on('public'),
      open: on('open')
    }
  }
}

/** The members that an answer about a group has. */
export function membersIn(element: Xml, group: Address): Member[] {
  return children(element, NS.groups, 'member')
    .slice(0, MOST_MEMBERS)
    .map((one) => {
      const jid = bare(attribute(one, 'jid'))
      return {
        ...{
          key: memberKey(group, jid),
          group,
          jid,
          affiliation: affiliationOf(attribute(one, 'affiliation'))
        },
        ...{ nick: attribute(one, 'nick'), since: momentOf(attribute(one, 'since')) },
        ...{ by: bare(attribute(one, 'by')), invited: attribute(one, 'invited') === 'true' }
      }
    })
    .filter(({ jid }) => jid !== '')
}

export function memberKey(group: Address, jid: Address): string {
  return `${group} ${jid}`
}

/** How many members have received and read messages, by their ids. */
export function countsIn(message: Xml): { id: string; delivered: number; read: number; of: number }[] {
  const receipts = child(message, NS.groups, 'receipts')
  return children(receipts, NS.groups, 'message').map((one) => ({
    id: attribute(one, 'id'),
    delivered: natural(attribute(one, 'delivered')),
    read: natural(attribute(one, 'read')),
    of: natural(attribute(one, 'of'))
  }))
}

/** Of a refused message: the group's number, if the message was encrypted for other members than it has. */
export function staleNumber(message: Xml): number | undefined {
  const stale = child(child(message, NS.client, 'error'), NS.groups, 'stale')
  return stale && natural(attribute(stale, 'number'))
}

export function settingsElement(settings: SettingsChange): OutgoingXml {
  const all = Object.entries(settings).map(([name, value]) => [name, String(value)])
  return el('settings', Object.fromEntries(all) as Record<string, string>)
}

export function memberElements(people: readonly Address[]): OutgoingXml[] {
  return people.map((jid) => el('member', { jid }))
}

/** Changes what people are in a group (XEP-0045 §9). */
export function affiliationQuery(people: readonly Address[], affiliation: Affiliation): OutgoingXml {
  return el('query', { xmlns: NS.mucAdmin }, ...people.map((jid) => el('item', { jid, affiliation })))
}

export function affiliationOf(text: string): Affiliation {
  return AFFILIATIONS.includes(text) ? (text as Affiliation) : 'none'
}

export function momentOf(text: string): number {
  const time = Date.parse(text)
  return Number.isNaN(time) ? 0 : time
}

/** A SHA-1 in hexadecimal; empty: it is none. */
function hashOf(text: string): string {
  return /^[0-9a-f]{40}$/.test(text) ? text : ''
}

function natural(text: string): number {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : 0
}

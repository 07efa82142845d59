/** What the user asks of groups. All of it needs the server; what changes comes back as notices of the group. */
import { groupService } from '../local/address'
import type { Address, Affiliation, Moment, SettingsChange } from '../local/types'
import { Refused } from '../xmpp/errors'
import { affiliationQuery, memberElements, momentOf, settingsElement } from '../xmpp/groups'
import { bare } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import type { Wire } from '../xmpp/wire'
import { attribute, child, children, el, type OutgoingXml, type Xml } from '../xmpp/xml'
import { setGroupPicture } from './group-card'
import type { Groups } from './groups'

/** People who could not be added, with the condition of each error (RFC 6120 §8.3.3). */
export type NotAdded = Record<Address, string>

export interface GroupLink {
  token: string
  /** The page that leads any app to the group. */
  url: string
}

/** Who asks to come in, and what they call themselves; empty: unknown. */
export interface Asking {
  jid: Address
  nick: string
}

/** Who has a message of the user, and since when; 0: not yet. */
export interface GroupReceipt {
  jid: Address
  delivered: Moment
  read: Moment
}

export interface GroupCalls {
  /** `id`: random, at least 16 characters; the same makes the group once. Resolves to its address. */
  create(
    id: string,
    name: string,
    description: string,
    people: Address[],
    settings: SettingsChange
  ): Promise<{ group: Address; refused: NotAdded }>
  add(group: Address, people: Address[]): Promise<NotAdded>
  /** Makes somebody an admin or owner, or a member again; removes (`none`) or bans them. */
  affiliate(group: Address, people: Address[], affiliation: Affiliation): Promise<void>
  leave(group: Address): Promise<void>
  destroy(group: Address): Promise<void>
  change(
    group: Address,
    change: { name?: string; description?: string; settings?: SettingsChange }
  ): Promise<void>
  /** Sets the picture, or with null removes it. Throws if it is too large, or of a type that others do not show. */
  picture(group: Address, picture: Blob | null): Promise<void>
  accept(group: Address): Promise<void>
  /** The link by which people come in; undefined: there is none. */
  link(group: Address): Promise<GroupLink | undefined>
  /** Makes a new link, or with `revoke` none; earlier ones are not valid any more. */
  renewLink(group: Address, revoke: boolean): Promise<GroupLink | undefined>
  /** Comes in with the token of a link. `asked`: admins have to approve. */
  join(group: Address, token: string): Promise<'inside' | 'asked'>
  asking(group: Address): Promise<Asking[]>
  answer(group: Address, person: Address, approve: boolean): Promise<void>
  /** Who has received and read a message of the user. `id`: the group's. */
  receipts(group: Address, id: string): Promise<GroupReceipt[]>
  /** Deletes a message of somebody for everybody (XEP-0425). `id`: the group's. */
  moderate(group: Address, id: string): Promise<void>
  /** Reads what may have changed. */
  refresh(group: Address): Promise<void>
}

export function groupCalls(me: Address, wire: Wire, groups: Groups): GroupCalls {
  const ask = async (type: 'get' | 'set', group: Address, payload: OutgoingXml) =>
    wire.request(type, group, payload)
  const own = (name: string, attributes: Record<string, string> = {}, ...content: OutgoingXml[]) =>
    el(name, { xmlns: NS.groups, ...attributes }, ...content)
  return {
    create: async (id, name, description, people, settings) => {
      const request = own(
        'create',
        { id },
        el('name', {}, name),
        ...(description ? [el('description', {}, description)] : []),
        ...(Object.keys(settings).length ? [settingsElement(settings)] : []),
        ...memberElements(people)
      )
      const made = child(await ask('set', groupService(me), request), NS.groups, 'create')
      const group = attribute(made, 'jid')
      if (!group) throw new Refused('undefined-condition', 'cancel')
      await groups.update(group)
      return { group, refused: refusedIn(made) }
    },
    add: async (group, people) => {
      const answer = await ask('set', group, own('add', {}, ...memberElements(people)))
      await groups.update(group)
      return refusedIn(child(answer, NS.groups, 'add'))
    },
    affiliate: async (group, people, affiliation) => {
      await ask('set', group, affiliationQuery(people, affiliation))
      await groups.update(group)
    },
    leave: async (group) => {
      await ask('set', group, affiliationQuery([me], 'none'))
      await groups.update(group)
    },
    destroy: async (group) => {
      await ask('set', group, el('query', { xmlns: NS.mucOwner }, el('destroy', {})))
      await groups.update(group)
    },
    change: async (group, { name, description, settings }) => {
      const request = own(
        'group',
        {},
        ...(name === undefined ? [] : [el('name', {}, name)]),
        ...(description === undefined ? [] : [el('description', {}, description)]),
        ...(settings ? [settingsElement(settings)] : [])
      )
      await ask('set', group, request)
      await groups.update(group)
    },
    picture: async (group, picture) => {
      await setGroupPicture(wire, group, picture)
      await groups.update(group)
    },
    accept: async (group) => {
      await ask('set', group, own('accept'))
      await groups.update(group)
    },
    link: async (group) => linkIn(await ask('get', group, own('link'))),
    renewLink: async (group, revoke) =>
      linkIn(await ask('set', group, own('link', revoke ? { revoke: 'true' } : {}))),
    join: async (group, token) => {
      const answer = child(await ask('set', group, own('join', { token })), NS.groups, 'join')
      if (attribute(answer, 'state') !== 'inside') return 'asked'
      await groups.update(group)
      return 'inside'
    },
    asking: async (group) => {
      const list = child(await ask('get', group, own('asking')), NS.groups, 'asking')
      return children(list, NS.groups, 'asks').map((one) => ({
        jid: bare(attribute(one, 'jid')),
        nick: attribute(one, 'nick')
      }))
    },
    answer: async (group, person, approve) => {
      await ask('set', group, own(approve ? 'approve' : 'decline', { jid: person }))
      await groups.update(group)
    },
    receipts: async (group, id) => {
      const list = child(await ask('get', group, own('receipts', { id })), NS.groups, 'receipts')
      return children(list, NS.groups, 'receipt').map((one) => ({
        jid: attribute(one, 'jid'),
        delivered: momentOf(attribute(one, 'delivered')),
        read: momentOf(attribute(one, 'read'))
      }))
    },
    moderate: async (group, id) => {
      await ask(
        'set',
        group,
        el('moderate', { xmlns: NS.moderate, id }, el('retract', { xmlns: NS.retract }))
      )
    },
    refresh: (group) => groups.update(group)
  }
}

function linkIn(answer: Xml): GroupLink | undefined {
  const link = child(answer, NS.groups, 'link')
  const token = attribute(link, 'token')
  return token ? { token, url: attribute(link, 'url') } : undefined
}

function refusedIn(answer: Xml | undefined): NotAdded {
  return Object.fromEntries(
    children(answer, NS.groups, 'refused').map((one) => [attribute(one, 'jid'), attribute(one, 'condition')])
  )
}

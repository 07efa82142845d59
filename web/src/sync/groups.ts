/**
 * What this device knows of the account's groups: settings and members, kept in step with the server. A notice of a
 * group changes it at once if nothing was missed in between; otherwise the group is asked what has changed.
 */
import { isGroup } from '../local/address'
import { updateChat } from '../local/chats'
import { currentOf, movePerson, withMove } from '../local/moves'
import type { Database } from '../local/database'
import { isIn } from '../local/members'
import type { Address, Group, GroupChange, Member, Moment, Move } from '../local/types'
import { Work } from '../local/work'
import { Lost, Refused } from '../xmpp/errors'
import { groupIn, type GroupState, memberKey, membersIn } from '../xmpp/groups'
import { localOf } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import type { ReceivedMessage } from '../xmpp/received'
import type { Wire } from '../xmpp/wire'
import { attribute, child, children, el, type Xml } from '../xmpp/xml'
import { updateContact } from './contacts'
import { showGroupPicture } from './group-card'

/** Errors that mean that the account is not in a group, or that there is none. */
const OUT = ['forbidden', 'item-not-found', 'gone', 'not-acceptable', 'registration-required']
/** How often the groups are asked again when answers do not fit together. */
const ATTEMPTS = 3

export class Groups {
  /** Groups about which something was missed. */
  private readonly wanted = new Set<Address>()
  private readonly running = new Map<Address, Promise<void>>()
  /** What is stored of those whose addresses have changed. */
  private readonly moves = new Map<Address, readonly Move[]>()

  /** Somebody may be new in a group; `mine`: the user has let them in. */
  came: (group: Address, mine: boolean) => void = () => undefined

  /** `changed`: what is stored about a group has changed, so devices of its members may have, too. */
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly wire: Wire,
    private readonly now: () => Moment,
    private readonly changed: (group: Address) => void
  ) {}

  /** A new session: which groups there are. Rejects if the connection is lost. */
  async load(): Promise<void> {
    let answer: Xml
    try {
      answer = await this.wire.request('get', '', el('groups', { xmlns: NS.groups }))
    } catch (error) {
      if (error instanceof Refused) return // a server without groups
      throw error
    }
    const listed = children(child(answer, NS.groups, 'groups'), NS.groups, 'group')
      .map((one) => groupIn(one))
      .filter(({ address }) => isGroup(address, this.me))
    const known = new Map((await this.db.groups.toArray()).map((one) => [one.address, one]))
    for (const state of listed) {
      const before = known.get(state.address)
      if (before?.settings.history) this.came(state.address, false)
      known.delete(state.address)
      const same =
        before?.number === state.number &&
        before.name === state.name &&
        before.picture === state.picture &&
        before.affiliation === state.affiliation &&
        before.invited === state.invited
      if (!same) this.wanted.add(state.address)
      else void showGroupPicture(this.db, this.wire, state.address, state.picture).catch(() => undefined)
    }
    for (const [address, { affiliation }] of known) {
      if (affiliation !== 'none') await this.left(address)
    }
    await this.refresh()
  }

  /** Something about a group may be unknown here. */
  want(group: Address): void {
    this.wanted.add(group)
  }

  /** Asks the groups about which something was missed. What can't be asked now is asked later. */
  async refresh(): Promise<void> {
    if (!this.wire.online) return
    const all = [...this.wanted]
    this.wanted.clear()
    await Promise.all(
      all.map((group) =>
        this.update(group).catch(() => {
          this.wanted.add(group)
        })
      )
    )
  }

  /** The account has new groups, or an invitation. */
  async again(): Promise<void> {
    if (this.wire.online) await this.load()
  }

  /** The group, once something is known of it. Rejects while that is impossible. */
  async ready(address: Address): Promise<Group> {
    const known = await this.db.groups.get(address)
    if (known?.number && !this.wanted.has(address)) return known
    await this.update(address)
    const after = await this.db.groups.get(address)
    if (!after) throw new Lost()
    return after
  }

  /** Those whom a message of a group is for: who belongs to it now. */
  async belonging(group: Address): Promise<Member[]> {
    const all = await this.db.members.where('group').equals(group).toArray()
    return all.filter(({ invited, affiliation }) => !invited && affiliation !== 'outcast')
  }

  /** Asks a group what has changed. One request at a time for each. */
  update(group: Address): Promise<void> {
    const before = this.running.get(group)
    if (before) return before
    this.wanted.delete(group)
    const work = this.fetch(group).finally(() => this.running.delete(group))
    this.running.set(group, work)
    return work
  }

  private async fetch(group: Address): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const known = await this.db.groups.get(group)
      const since = known && known.affiliation !== 'none' ? known.number : 0
      try {
        const request = el('group', { xmlns: NS.groups, since: String(since) })
        const found = child(await this.wire.request('get', group, request), NS.groups, 'group')
        if (!found) throw new Lost()
        const complete = attribute(found, 'complete') === 'true' || since === 0
        if (await this.store(groupIn(found, group), membersIn(found, group), complete, since)) return
      } catch (error) {
        if (!(error instanceof Refused) || !OUT.includes(error.condition)) throw error
        await this.left(group)
        return
      }
    }
  }

  /** False: something else was stored in the meantime that does not fit. */
  private async store(
    state: GroupState,
    members: Member[],
    complete: boolean,
    since: number
  ): Promise<boolean> {
    const group = state.address
    const own = members.find(({ jid }) => jid === this.me)
    const stored = await Work.run(this.db, async (work) => {
      const known = await this.db.groups.get(group)
      if (known && known.number > state.number && known.affiliation !== 'none') return true
      if (!complete && known?.number !== since) return false
      const before = complete ? undefined : await this.db.members.get(memberKey(group, this.me))
      const mine = own ?? before
      const readable = state.settings.open || state.settings.public || state.settings.anonymous
      await this.db.groups.put({
        ...state,
        invited: mine?.invited ?? state.invited,
        by: mine?.by ?? '',
        plain: known?.number ? known.plain && readable : readable,
        ...(known?.moves && { moves: known.moves })
      })
      if (complete) await this.db.members.where('group').equals(group).delete()
      await this.db.members.bulkPut(members)
      await this.name(group, state.name)
      const chat = await work.chat(group)
      const fresh = !chat.last && !chat.listed && !chat.clearedTo
      await updateChat(work, group, {
        disappears: state.settings.expire,
        ...(fresh && { listed: true, at: Math.max(chat.at, mine?.since ?? 0, state.created) })
      })
      return true
    })
    if (stored) {
      this.changed(group)
      // It is fetched again in the next session, if it could not be had now
      void showGroupPicture(this.db, this.wire, group, state.picture).catch(() => undefined)
    }
    return stored
  }

  /** The account is not in a group any more. */
  private async left(group: Address): Promise<void> {
    await this.db.transaction('rw', this.db.groups, this.db.members, async () => {
      if (await this.db.groups.get(group))
        await this.db.groups.update(group, { affiliation: 'none', invited: false })
      await this.db.members.delete(memberKey(group, this.me))
    })
    this.changed(group)
  }

  /** Within a transaction: what members have written stays theirs when their addresses change. */
  private async moved(work: Work, group: Address, change: GroupChange, order: string): Promise<void> {
    for (const { jid, moved } of change.members) {
      if (moved === undefined || moved === jid || !order) continue
      const known = await this.db.groups.get(group)
      if (!known || known.moves?.some((one) => one.order === order)) continue
      const move = { from: moved, to: jid, order }
      this.moves.delete(group)
      await this.db.groups.update(group, { moves: withMove(known.moves ?? [], move) })
      await movePerson(work, this.me, group, move)
    }
  }

  /** A message of a group, with the address that its author has now. */
  async asNow(incoming: ReceivedMessage): Promise<ReceivedMessage> {
    const { chat, group, archive, change } = incoming
    if (!group || change || !archive) return incoming
    let moves = this.moves.get(chat)
    if (!moves) this.moves.set(chat, (moves = (await this.db.groups.get(chat))?.moves ?? []))
    const from = currentOf(moves, incoming.from, archive)
    return from === incoming.from ? incoming : { ...incoming, from, mine: from === this.me }
  }

  /** Names of groups are where those of people are. */
  private async name(group: Address, name: string): Promise<void> {
    const nick = name || localOf(group)
    if ((await this.db.contacts.get(group))?.nick !== nick) await updateContact(this.db, group, { nick })
  }

  /**
   * Within a transaction: a group tells of a change, in a notice with this order. It is asked if this device has missed
   * something before it.
   */
  async told(work: Work, group: Address, change: GroupChange, number: number, order: string): Promise<void> {
    await this.moved(work, group, change, order)
    const known = await this.db.groups.get(group)
    if (!known?.number) {
      this.wanted.add(group)
      return
    }
    if (change.name !== undefined || change.what === 'settings' || change.what === 'avatar') {
      this.wanted.add(group)
    }
    const arrived = change.members.some((one) => isIn(one.affiliation) && !one.invited && one.jid !== this.me)
    if (arrived && known.settings.history) this.came(group, change.by === this.me)
    if (number <= known.number) return
    const own = change.members.find(({ jid }) => jid === this.me)
    const out = change.what === 'destroyed' || (own && !isIn(own.affiliation))
    if (out) {
      await this.db.groups.update(group, { affiliation: 'none', invited: false, number })
      await this.db.members.delete(memberKey(group, this.me))
      return
    }
    if (number !== known.number + 1 || known.affiliation === 'none') {
      this.wanted.add(group)
      return
    }
    for (const { jid, affiliation, nick, invited, moved } of change.members) {
      const key = memberKey(group, jid)
      const former = moved === undefined ? undefined : await this.db.members.get(memberKey(group, moved))
      if (former) {
        await this.db.members.delete(former.key)
        await this.db.members.put({ ...former, key, jid, affiliation })
      } else if (!isIn(affiliation)) await this.db.members.delete(key)
      else {
        const before = await this.db.members.get(key)
        const since = before && !before.invited ? before.since : this.now()
        await this.db.members.put({ key, group, jid, affiliation, nick, since, by: change.by, invited })
      }
    }
    await this.db.groups.update(group, {
      number,
      ...(own && { affiliation: own.affiliation, invited: own.invited })
    })
    this.changed(group)
  }
}

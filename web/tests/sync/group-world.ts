/** The server in memory, with groups as docs/protocol.md has them. */
import { bare, localOf } from '../../src/xmpp/jid'
import { NS } from '../../src/xmpp/ns'
import { attribute, child, children, el, elements, first, textOf, write, type Xml } from '../../src/xmpp/xml'
import { World, type Session } from './world'

interface Member {
  affiliation: string
  nick: string
  number: number
  since: number
}

export interface TestGroup {
  address: string
  name: string
  number: number
  removed: number
  settings: string
  members: Map<string, Member>
}

export class GroupWorld extends World {
  readonly groups = new Map<string, TestGroup>()
  /** How many messages were refused since they were for other members. */
  stale = 0
  /** What a device is about to send is held back. */
  before: ((group: TestGroup) => void) | undefined
  private readonly taken = new Set<string>()

  make(name: string, people: string[]): TestGroup {
    const group: TestGroup = {
      ...{ address: `${name}@groups.example.org`, name, number: 1, removed: 0, members: new Map() },
      settings: `<settings invite='members' change='members' expire='0'/>`
    }
    for (const [at, jid] of people.entries()) {
      const affiliation = at ? 'member' : 'owner'
      group.members.set(jid, { affiliation, nick: localOf(jid), number: 1, since: Date.now() - 1000 })
    }
    this.groups.set(group.address, group)
    return group
  }

  affiliate(group: TestGroup, jid: string, affiliation: string, by = 'ada@example.org'): void {
    group.number += 1
    const was = group.members.get(jid)?.affiliation ?? 'none'
    const everybody = new Set([...group.members.keys(), jid])
    if (affiliation === 'none') {
      group.members.delete(jid)
      group.removed = group.number
    } else {
      const since = group.members.get(jid)?.since ?? Date.now()
      group.members.set(jid, { affiliation, nick: localOf(jid), number: group.number, since })
    }
    const member = `<member jid='${jid}' affiliation='${affiliation}' was='${was}' nick='${localOf(jid)}'/>`
    this.tell(group, `<change xmlns='${NS.groups}' by='${by}' number='${group.number}'>${member}</change>`, [
      ...everybody
    ])
  }

  /** A member has another address. */
  move(group: TestGroup, from: string, to: string): void {
    const member = group.members.get(from)
    if (!member) return
    group.number += 1
    group.removed = group.number
    group.members.delete(from)
    group.members.set(to, { ...member, number: group.number })
    const { affiliation } = member
    const inner = `<member jid='${to}' affiliation='${affiliation}' was='${affiliation}' moved='${from}'/>`
    this.tell(group, `<change xmlns='${NS.groups}' by='${to}' number='${group.number}'>${inner}</change>`)
  }

  /** The group says something itself. */
  tell(group: TestGroup, inner: string, to = [...group.members.keys()]): void {
    this.post(group, group.address, inner, to)
  }

  private post(group: TestGroup, from: string, inner: string, to: string[], id = ''): void {
    const place = this.nextId()
    const named = id ? ` id='${id}'` : ''
    const mark = `<stanza-id xmlns='${NS.sid}' id='${place}' by='${group.address}'/>`
    for (const jid of to) {
      const stanza = `<message xmlns='jabber:client' from='${from}' to='${jid}' type='groupchat'${named}>${inner}${mark}`
      const entry = { id: place, from, to: jid, inner, type: 'groupchat', stanza }
      this.log.push(entry)
      this.ring(entry)
    }
  }

  override take(from: string, stanza: Xml): void {
    const group = this.groups.get(bare(attribute(stanza, 'to')))
    const past = child(stanza, NS.groups, 'history')
    if (group && past) {
      this.pass(group, bare(from), past, stanza)
      return
    }
    if (!group || attribute(stanza, 'type') !== 'groupchat') {
      super.take(from, stanza)
      return
    }
    const me = bare(from)
    const origin = `${me} ${group.address} ${attribute(child(stanza, NS.sid, 'origin-id'), 'id')}`
    if (this.taken.has(origin)) return
    if (!child(stanza, NS.groups, 'marks')) this.before?.(group)
    const member = group.members.get(me)
    const refuse = (condition: string, more = '') => {
      const session = this.sessions.find(({ jid }) => jid === from)
      const error = `<error type='modify'><${condition} xmlns='${NS.stanzas}'/>${more}</error>`
      const head = `from='${group.address}' to='${from}' type='error' id='${attribute(stanza, 'id')}'`
      if (session) this.push(session, `<message xmlns='jabber:client' ${head}>${error}</message>`)
    }
    if (!member) {
      refuse('not-acceptable')
      return
    }
    if (child(stanza, NS.groups, 'marks')) {
      this.marks.push(attribute(child(stanza, NS.groups, 'marks'), 'read'))
      return
    }
    const number = attribute(child(stanza, NS.groups, 'for'), 'number')
    if (number && number !== String(group.number)) {
      this.stale += 1
      refuse('conflict', `<stale xmlns='${NS.groups}' number='${group.number}'/>`)
      return
    }
    this.taken.add(origin)
    const item = `<x xmlns='${NS.mucUser}'><item affiliation='${member.affiliation}' jid='${me}'/></x>`
    const inner = elements(stanza)
      .map((one) => write(one))
      .join('')
    const id = attribute(stanza, 'id')
    this.post(group, `${group.address}/${member.nick}`, inner + item, [...group.members.keys()], id)
  }

  /** Who is new, and the id of what was said first after they came. */
  readonly newcomers = new Map<string, string>()
  /** Which client gives somebody the history. */
  private readonly givers = new Map<string, string>()

  /** A message from before somebody came, for them alone. */
  private pass(group: TestGroup, me: string, past: Xml, stanza: Xml): void {
    const original = this.log.find(({ id }) => id === attribute(past, 'id'))
    const author = /jid='([^']*)'\/><\/x>$/.exec(original?.inner ?? '')?.[1]
    if (!original || !author) return
    const about = `<history xmlns='${NS.groups}' id='${original.id}' jid='${author}' nick='${localOf(author)}'/>`
    const inner = elements(stanza)
      .filter((one) => one.name !== 'history')
      .map((one) => write(one))
      .join('')
    const item = `<x xmlns='${NS.mucUser}'><item affiliation='owner' jid='${me}'/></x>`
    this.post(group, `${group.address}/${localOf(me)}`, about + inner + item, [attribute(past, 'jid')])
  }

  /** What devices have said of how far they have read. */
  readonly marks: string[] = []

  override request(session: Session, iq: Xml): void {
    const payload = first(iq)
    const to = attribute(iq, 'to')
    const group = this.groups.get(bare(to))
    const asked = payload?.namespace === NS.groups
    if (!payload || (!group && !asked && payload.namespace !== NS.mucAdmin)) {
      super.request(session, iq)
      return
    }
    const me = bare(session.jid)
    const answer = (content = '') => {
      const head = `type='result' id='${attribute(iq, 'id')}' to='${session.jid}'${to && ` from='${to}'`}`
      this.push(session, `<iq xmlns='jabber:client' ${head}>${content}</iq>`)
    }
    const summary = (one: TestGroup) =>
      `jid='${one.address}' name='${one.name}' number='${one.number}' affiliation='${one.members.get(me)?.affiliation ?? 'none'}'`
    if (payload.name === 'groups') {
      const mine = [...this.groups.values()].filter(({ members }) => members.has(me))
      const all = mine.map((one) => `<group ${summary(one)}/>`).join('')
      answer(`<groups xmlns='${NS.groups}'>${all}</groups>`)
    } else if (payload.name === 'create') {
      const people = [me, ...children(payload, NS.groups, 'member').map((one) => attribute(one, 'jid'))]
      const made = this.make(`g${this.groups.size}`, people)
      made.name = textOf(child(payload, NS.groups, 'name'))
      this.tell(
        made,
        `<change xmlns='${NS.groups}' by='${me}' number='1'>${membersOf(made, 0, true)}</change>`
      )
      answer(`<create xmlns='${NS.groups}' jid='${made.address}'/>`)
    } else if (!group?.members.has(me)) {
      const error = `<error type='auth'><forbidden xmlns='${NS.stanzas}'/></error>`
      const head = `type='error' id='${attribute(iq, 'id')}' to='${session.jid}' from='${to}'`
      this.push(session, `<iq xmlns='jabber:client' ${head}>${error}</iq>`)
    } else if (payload.name === 'group') {
      const since = Number(attribute(payload, 'since'))
      const partly = since > 0 && group.removed <= since
      answer(
        `<group xmlns='${NS.groups}' ${summary(group)}${partly ? '' : " complete='true'"}>` +
          `${group.settings}${membersOf(group, partly ? since : 0)}</group>`
      )
    } else if (payload.name === 'devices') {
      const all = [...group.members.keys()].flatMap((jid) => this.devicesOf(jid).map((id) => ({ jid, id })))
      const devices = all.map(({ jid, id }) => `<device jid='${jid}' id='${id}'/>`).join('')
      answer(`<devices xmlns='${NS.groups}' number='${group.number}'>${devices}</devices>`)
    } else if (payload.name === 'newcomers') {
      const all = [...this.newcomers].map(([jid, before]) => `<newcomer jid='${jid}' before='${before}'/>`)
      answer(`<newcomers xmlns='${NS.groups}'>${all.join('')}</newcomers>`)
    } else if (payload.name === 'history') {
      const jid = attribute(payload, 'jid')
      const before = this.newcomers.get(jid)
      const other = this.givers.get(jid) ?? session.jid
      if (before === undefined || other !== session.jid) {
        const error = `<error type='wait'><conflict xmlns='${NS.stanzas}'/></error>`
        const head = `type='error' id='${attribute(iq, 'id')}' to='${session.jid}' from='${to}'`
        this.push(session, `<iq xmlns='jabber:client' ${head}>${error}</iq>`)
      } else if (attribute(payload, 'done')) {
        this.newcomers.delete(jid)
        answer()
      } else {
        this.givers.set(jid, session.jid)
        answer(`<history xmlns='${NS.groups}' jid='${jid}' before='${before}' most='100'/>`)
      }
    } else if (payload.name === 'query') {
      for (const item of children(payload, NS.mucAdmin, 'item'))
        this.affiliate(group, attribute(item, 'jid'), attribute(item, 'affiliation'), me)
      answer()
    } else answer(el(payload.name, { xmlns: payload.namespace }).xml)
  }

  private devicesOf(jid: string): string[] {
    const list = this.nodes.get(`${jid} ${NS.omemo}.devicelist`)
    return [...([...(list?.values() ?? [])].at(-1)?.matchAll(/id="(\d+)"/g) ?? [])].map(
      (found) => found[1] ?? ''
    )
  }
}

function membersOf({ members }: TestGroup, since: number, came = false): string {
  return [...members]
    .filter(([, { number }]) => number > since)
    .map(
      ([jid, { affiliation, nick, since }]) =>
        `<member jid='${jid}' affiliation='${affiliation}' nick='${nick}'${came ? " was='none'" : ''} since='${new Date(since).toISOString()}'/>`
    )
    .join('')
}

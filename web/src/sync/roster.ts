/**
 * Contacts: the roster (RFC 6121 §2), subscriptions (§3), blocking (XEP-0191), reports (XEP-0377), last seen
 * (XEP-0012).
 */
import { newContact } from '../local/contact'
import type { Database } from '../local/database'
import { chosenName } from '../local/names'
import type { Address, Contact, Moment } from '../local/types'
import { updateContact } from './contacts'
import { Refused } from '../xmpp/errors'
import type { Wire } from '../xmpp/wire'
import { bare } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import { attribute, child, children, el, textOf, type Xml } from '../xmpp/xml'

export class Roster {
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly wire: Wire
  ) {}

  /** Loads contacts and blocked people in a new session. */
  async load(): Promise<void> {
    const answer = await this.wire.request('get', '', el('query', { xmlns: NS.roster }))
    const items = children(child(answer, NS.roster, 'query'), NS.roster, 'item').map(itemOf)
    const blocked = await this.blocked()
    await this.db.transaction('rw', this.db.contacts, async () => {
      const known = new Map((await this.db.contacts.toArray()).map((one) => [one.address, one]))
      const there = new Map(items.map((one) => [one.address, one]))
      for (const address of new Set([...known.keys(), ...there.keys(), ...blocked])) {
        const contact: Contact = {
          ...(known.get(address) ?? newContact(address)),
          ...{ inRoster: false, subscription: 'none', asked: false, name: '' },
          ...there.get(address),
          blocked: blocked.includes(address)
        }
        if (contact.subscription === 'from' || contact.subscription === 'both') contact.asks = false
        await this.db.contacts.put(contact)
      }
    })
  }

  /** Handles a push (RFC 6121 §2.1.6, XEP-0191 §3). False: it is none. */
  async push(iq: Xml): Promise<boolean> {
    if ((attribute(iq, 'from') || this.me) !== this.me) return false
    for (const item of children(child(iq, NS.roster, 'query'), NS.roster, 'item')) {
      const contact = itemOf(item)
      const seen = contact.subscription === 'from' || contact.subscription === 'both'
      const gone = attribute(item, 'subscription') === 'remove'
      await updateContact(
        this.db,
        contact.address,
        gone
          ? { inRoster: false, name: '', subscription: 'none', asked: false }
          : { ...contact, ...(seen && { asks: false }) }
      )
    }
    for (const item of children(child(iq, NS.blocking, 'block'), NS.blocking, 'item')) {
      await updateContact(this.db, attribute(item, 'jid'), { blocked: true })
    }
    const unblock = child(iq, NS.blocking, 'unblock')
    if (unblock) {
      const items = children(unblock, NS.blocking, 'item').map((one) => attribute(one, 'jid'))
      const all = items.length ? items : await this.db.contacts.filter((one) => one.blocked).primaryKeys()
      for (const address of all) await updateContact(this.db, address, { blocked: false })
    }
    return child(iq, NS.roster, 'query') !== undefined || unblock !== undefined || isBlock(iq)
  }

  /** Handles presence of type subscribe, unsubscribe and the like. */
  async asked(presence: Xml): Promise<void> {
    const address = bare(attribute(presence, 'from'))
    const type = attribute(presence, 'type')
    if (type === 'unsubscribe') await updateContact(this.db, address, { asks: false })
    if (type !== 'subscribe') return
    const contact = await this.db.contacts.get(address)
    // Whoever the user has added may see the user's presence, too
    if (contact?.inRoster && (contact.asked || contact.subscription === 'to')) {
      this.wire.tell(el('presence', { xmlns: NS.client, to: address, type: 'subscribed' }))
    } else {
      const nick = await chosenName(this.db, this.me, address, textOf(child(presence, NS.nick, 'nick')))
      await updateContact(this.db, address, { asks: true, ...(nick && !contact?.nick && { nick }) })
    }
  }

  async add(address: Address, name: string): Promise<void> {
    await this.set(address, name)
    // Pre-approves: if they add the user, they see the presence at once
    this.wire.tell(el('presence', { xmlns: NS.client, to: address, type: 'subscribed' }))
    // The name tells them who is asking (XEP-0172 §4.1)
    const nick = (await this.db.contacts.get(this.me))?.nick
    const named = nick ? el('nick', { xmlns: NS.nick }, nick) : undefined
    this.wire.tell(el('presence', { xmlns: NS.client, to: address, type: 'subscribe' }, named))
    await updateContact(this.db, address, { name, inRoster: true, asked: true, asks: false })
  }

  async rename(address: Address, name: string): Promise<void> {
    await this.set(address, name)
    await updateContact(this.db, address, { name })
  }

  async accept(address: Address): Promise<void> {
    const contact = await this.db.contacts.get(address)
    await this.add(address, contact?.name ?? '')
  }

  async remove(address: Address): Promise<void> {
    const contact = await this.db.contacts.get(address)
    if (contact?.asks) this.wire.tell(el('presence', { xmlns: NS.client, to: address, type: 'unsubscribed' }))
    if (contact?.inRoster) {
      const item = el('item', { jid: address, subscription: 'remove' })
      await this.wire.request('set', '', el('query', { xmlns: NS.roster }, item))
    }
    await updateContact(this.db, address, {
      ...{ inRoster: false, name: '', subscription: 'none', asked: false, asks: false }
    })
  }

  async block(address: Address, on: boolean): Promise<void> {
    const item = el('item', { jid: address })
    await this.wire.request('set', '', el(on ? 'block' : 'unblock', { xmlns: NS.blocking }, item))
    await updateContact(this.db, address, { blocked: on })
  }

  /** Blocks somebody, and tells the server's operator why. `ids`: of messages in the user's archive. */
  async report(address: Address, reason: 'spam' | 'abuse', ids: string[]): Promise<void> {
    const report = el(
      'report',
      { xmlns: NS.reporting, reason: `urn:xmpp:reporting:${reason}` },
      ...ids.map((id) => el('stanza-id', { xmlns: NS.sid, by: this.me, id }))
    )
    const item = el('item', { jid: address }, report)
    await this.wire.request('set', '', el('block', { xmlns: NS.blocking }, item))
    await updateContact(this.db, address, { blocked: true })
  }

  /** When somebody was last online; undefined if they do not tell. */
  async lastSeen(address: Address, now: Moment): Promise<Moment | undefined> {
    try {
      const answer = await this.wire.request('get', address, el('query', { xmlns: NS.last }))
      const seconds = Number.parseInt(attribute(child(answer, NS.last, 'query'), 'seconds'), 10)
      return seconds >= 0 ? now - seconds * 1000 : undefined
    } catch (error) {
      if (error instanceof Refused) return undefined
      throw error
    }
  }

  private async set(address: Address, name: string): Promise<void> {
    const item = el('item', { jid: address, name: name || undefined })
    await this.wire.request('set', '', el('query', { xmlns: NS.roster }, item))
  }

  private async blocked(): Promise<Address[]> {
    try {
      const answer = await this.wire.request('get', '', el('blocklist', { xmlns: NS.blocking }))
      const list = child(answer, NS.blocking, 'blocklist')
      return children(list, NS.blocking, 'item').map((one) => attribute(one, 'jid'))
    } catch (error) {
      if (error instanceof Refused) return []
      throw error
    }
  }
}

function itemOf(item: Xml): Pick<Contact, 'address' | 'name' | 'subscription' | 'asked' | 'inRoster'> {
  const subscription = attribute(item, 'subscription')
  return {
    address: attribute(item, 'jid'),
    name: attribute(item, 'name'),
    subscription:
      subscription === 'to' || subscription === 'from' || subscription === 'both' ? subscription : 'none',
    asked: attribute(item, 'ask') === 'subscribe',
    inRoster: true
  }
}

function isBlock(iq: Xml): boolean {
  return child(iq, NS.blocking, 'block') !== undefined
}

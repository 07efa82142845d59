/**
 * The names of everybody whom this device knows, for places that name several people: groups, notices, the list of
 * chats.
 */
import { liveQuery } from 'dexie'
import { SvelteMap } from 'svelte/reactivity'
import type { Database } from '../local/database'
import { cleanName, looksLikeAddress, looksOfficial } from '../local/names'
import type { Address, Contact, Group } from '../local/types'
import { t } from '../strings/strings.svelte'
import { nameOf, written } from './names'

class People {
  private readonly contacts = new SvelteMap<Address, Contact>()
  /** What groups call people, of whom nothing else is known. */
  private readonly nicks = new SvelteMap<Address, string>()
  /** The user's own address. */
  me = ''

  /** Reads the storage, and follows its changes. Returns a function that stops it. */
  follow(db: Database, me: Address): () => void {
    this.me = me
    const contacts = liveQuery(() => db.contacts.toArray()).subscribe((all) => {
      for (const one of all) this.contacts.set(one.address, one)
    })
    /** Of each group, the number (`Group.number`) with which its members were read. */
    let read: Record<Address, number> = {}
    const groups = liveQuery(() => db.groups.toArray()).subscribe((all) => {
      const changed = all.filter(({ address, number }) => read[address] !== number)
      read = Object.fromEntries(all.map(({ address, number }) => [address, number]))
      if (!changed.length) return
      this.readNicks(db, changed).catch((error: unknown) => {
        // The storage is closed, for example after a log-out
        console.debug('no names of members', error)
      })
    })
    return () => {
      contacts.unsubscribe()
      groups.unsubscribe()
    }
  }

  /** Groups may have thousands of members, so only those of groups that have changed are read. */
  private async readNicks(db: Database, groups: Group[]): Promise<void> {
    const members = db.members.where('group').anyOf(groups.map(({ address }) => address))
    for (const { jid, nick } of await members.toArray()) {
      const name = ownName(jid, nick)
      if (name) this.nicks.set(jid, name)
    }
  }

  of(address: Address): Contact | undefined {
    return this.contacts.get(address)
  }

  /**
   * As `nameOf`; `nick`: what they call themselves, if nothing else is known. In an anonymous group, people have no
   * address but a nickname after that of the group.
   */
  name(address: Address, nick = this.nicks.get(address)): string {
    const slash = address.indexOf('/')
    if (slash >= 0) return `~${cleanName(address.slice(slash + 1))}`
    const contact = this.contacts.get(address)
    const name = nameOf(contact, address)
    return nick && name === written(address) ? `~${nick}` : name
  }

  /** The same, and "You" for the user. */
  who(address: Address): string {
    return address === this.me ? t('you') : this.name(address)
  }

  /** The first name of somebody, where there is little room. */
  short(address: Address): string {
    if (address === this.me) return t('you')
    const contact = this.contacts.get(address)
    return contact?.name ? (contact.name.split(' ', 1)[0] ?? contact.name) : this.name(address)
  }
}

/** A nickname as it may be shown; empty: it is the address, or looks like somebody else. */
export function ownName(address: Address, nick: string): string {
  const name = nick === address.split('@')[0] ? '' : cleanName(nick)
  return looksOfficial(name) || looksLikeAddress(name) ? '' : name
}

export const people = new People()

/**
 * The names of everybody whom this device knows, for places that name several people: groups, notices, the list of
 * chats.
 */
import { liveQuery } from 'dexie'
import { SvelteMap } from 'svelte/reactivity'
import type { Database } from '../local/database'
import { cleanName } from '../local/names'
import type { Address, Contact } from '../local/types'
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
    const members = liveQuery(() => db.members.toArray()).subscribe((all) => {
      for (const { jid, nick } of all) if (nick && nick !== jid.split('@')[0]) this.nicks.set(jid, nick)
    })
    return () => {
      contacts.unsubscribe()
      members.unsubscribe()
    }
  }

  of(address: Address): Contact | undefined {
    return this.contacts.get(address)
  }

  /** As `nameOf`; in an anonymous group, people have no address but a nickname after that of the group. */
  name(address: Address): string {
    const slash = address.indexOf('/')
    if (slash >= 0) return `~${cleanName(address.slice(slash + 1))}`
    const contact = this.contacts.get(address)
    const name = nameOf(contact, address)
    const nick = name === written(address) ? cleanName(this.nicks.get(address) ?? '') : ''
    return nick ? `~${nick}` : name
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

export const people = new People()

/** Profiles: nickname (XEP-0172), name and about (XEP-0292), picture (XEP-0084). */
import { isAccepted } from '../local/accepted'
import type { Database } from '../local/database'
import { chosenName, cleanAbout } from '../local/names'
import type { Address } from '../local/types'
import { updateContact } from './contacts'
import { pictureToSend, storePicture } from './pictures'
import { type Item, itemsOf, publish } from '../xmpp/pubsub'
import type { Wire } from '../xmpp/wire'
import { domainOf } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import { attribute, child, el, textOf } from '../xmpp/xml'

const VCARD_NODE = 'urn:xmpp:vcard4'
export const PROFILE_NODES: string[] = [NS.nick, VCARD_NODE, NS.avatarMetadata]

export interface ProfileChange {
  nick?: string
  about?: string
  picture?: Blob | null
}

export class Profiles {
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly wire: Wire
  ) {}

  /** Handles an event of one of the nodes. */
  async event(account: Address, node: string, items: Item[]): Promise<void> {
    const payload = items.at(-1)?.payload
    if (node === NS.nick) {
      await updateContact(this.db, account, {
        nick: await chosenName(this.db, this.me, account, textOf(payload))
      })
    } else if (node === VCARD_NODE) {
      const about = textOf(child(child(payload, NS.vcard, 'note'), NS.vcard, 'text'))
      await updateContact(this.db, account, { about: cleanAbout(about) })
    } else if (node === NS.avatarMetadata) {
      const id = attribute(child(payload, NS.avatarMetadata, 'info'), 'id')
      if (!/^[0-9a-f]{40}$/.test(id)) await updateContact(this.db, account, { picture: '' })
      else if (await this.picture(account, id)) await updateContact(this.db, account, { picture: id })
    }
  }

  /**
   * Fetches the profile of somebody who has written for the first time. On another server only after they were
   * accepted, since that server would learn that this device is online, and its full address.
   */
  async meet(account: Address): Promise<void> {
    const here = domainOf(account) === domainOf(this.me)
    if (here || (await isAccepted(this.db, this.me, account))) await this.fetch(account)
  }

  /** Fetches the profile of somebody whose events do not arrive, such as a stranger. */
  async fetch(account: Address): Promise<void> {
    for (const node of PROFILE_NODES) {
      const items = await itemsOf(this.wire, account, node)
      if (items.length) await this.event(account, node, items)
    }
  }

  /** Throws if the picture is too large, or of a type that others do not show. */
  async set({ nick, about, picture }: ProfileChange): Promise<void> {
    const mine = await this.db.contacts.get(this.me)
    const name = nick ?? mine?.nick ?? ''
    const note = about ?? mine?.about ?? ''
    if (nick !== undefined) {
      await publish(this.wire, NS.nick, 'current', el('nick', { xmlns: NS.nick }, nick), 'open')
    }
    const card = el(
      'vcard',
      { xmlns: NS.vcard },
      el('fn', {}, el('text', {}, name)),
      el('note', {}, el('text', {}, note))
    )
    await publish(this.wire, VCARD_NODE, 'current', card, 'open')
    if (picture !== undefined) await this.setPicture(picture)
    await updateContact(this.db, this.me, { nick: name, about: note })
  }

  private async setPicture(picture: Blob | null): Promise<void> {
    if (!picture) {
      const metadata = el('metadata', { xmlns: NS.avatarMetadata })
      await publish(this.wire, NS.avatarMetadata, 'current', metadata, 'open')
      await updateContact(this.db, this.me, { picture: '' })
      return
    }
    const { bytes, hash, text } = await pictureToSend(picture)
    const data = el('data', { xmlns: NS.avatarData }, text)
    await publish(this.wire, NS.avatarData, hash, data, 'open')
    const info = el('info', { id: hash, type: picture.type, bytes: String(bytes) })
    await publish(
      this.wire,
      NS.avatarMetadata,
      hash,
      el('metadata', { xmlns: NS.avatarMetadata }, info),
      'open'
    )
    await this.db.pictures.put({ hash, data: picture })
    await updateContact(this.db, this.me, { picture: hash })
  }

  private async picture(account: Address, hash: string): Promise<boolean> {
    if (await this.db.pictures.get(hash)) return true
    const [item] = await itemsOf(this.wire, account, NS.avatarData, hash)
    return storePicture(this.db, textOf(item?.payload), hash)
  }
}

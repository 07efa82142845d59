/** The picture of a group, which is the photo of its vCard (XEP-0054, XEP-0486). */
import type { Database } from '../local/database'
import type { Address } from '../local/types'
import { NS } from '../xmpp/ns'
import type { Wire } from '../xmpp/wire'
import { child, el, elements, textOf, write, type Xml } from '../xmpp/xml'
import { updateContact } from './contacts'
import { pictureToSend, storePicture } from './pictures'

async function cardOf(wire: Wire, group: Address): Promise<Xml | undefined> {
  return child(await wire.request('get', group, el('vCard', { xmlns: NS.vcardTemp })), NS.vcardTemp, 'vCard')
}

/** Sets the picture, or with null removes it; the rest of the card stays. */
export async function setGroupPicture(wire: Wire, group: Address, picture: Blob | null): Promise<void> {
  const rest = elements(await cardOf(wire, group))
    .filter(({ name }) => name !== 'PHOTO')
    .map((one) => ({ xml: write(one, NS.vcardTemp) }))
  const sent = picture && (await pictureToSend(picture))
  const photo = sent && el('PHOTO', {}, el('TYPE', {}, picture.type), el('BINVAL', {}, sent.text))
  await wire.request('set', group, el('vCard', { xmlns: NS.vcardTemp }, ...rest, photo ?? false))
}

/** Shows the picture with this hash as that of the group; it is fetched if this device does not have it. */
export async function showGroupPicture(
  db: Database,
  wire: Wire,
  group: Address,
  hash: string
): Promise<void> {
  if ((await db.contacts.get(group))?.picture === hash) return
  if (hash && !(await db.pictures.get(hash))) {
    const photo = child(await cardOf(wire, group), NS.vcardTemp, 'PHOTO')
    if (!(await storePicture(db, textOf(child(photo, NS.vcardTemp, 'BINVAL')), hash))) return
  }
  await updateContact(db, group, { picture: hash })
}

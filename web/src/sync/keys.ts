/** Implements `KeyNetwork`: device lists and key bundles in personal nodes (XEP-0384 0.3). */
import type { Bundle, Envelope, KeyNetwork } from '../crypto/crypto'
import { isGroup } from '../local/address'
import { isAccepted } from '../local/accepted'
import { commonGroups } from '../local/members'
import type { Database } from '../local/database'
import type { KeyBuffer } from '../local/key-buffer'
import type { Address } from '../local/types'
import { base64 } from '@scure/base'
import { type Item, itemsOf, publish } from '../xmpp/pubsub'
import { keyTransport } from '../xmpp/composed'
import type { ReceivedMessage } from '../xmpp/received'
import type { Wire } from '../xmpp/wire'
import { NS } from '../xmpp/ns'
import { attribute, children, el } from '../xmpp/xml'
import { bundleIn } from './bundles'
import type { GroupKeys } from './group-keys'

export const DEVICE_LIST = `${NS.omemo}.devicelist`
const BUNDLES = `${NS.omemo}.bundles:`

export class Keys implements KeyNetwork {
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly keyBuffer: KeyBuffer,
    private readonly wire: Wire,
    private readonly groups: GroupKeys,
    private readonly queued: () => void
  ) {}

  async devices(account: Address): Promise<number[]> {
    const found = devicesOf(await itemsOf(this.wire, account, DEVICE_LIST))
    if (found.length) return found
    // Strangers show their keys only to members of the same group
    const [group] = await commonGroups(this.db, this.me, account)
    return group === undefined ? [] : this.groups.devicesOf(group, account).catch(() => [])
  }

  async bundle(account: Address, device: number): Promise<Bundle | undefined> {
    const found = bundleIn((await itemsOf(this.wire, account, `${BUNDLES}${device}`)).at(-1)?.payload)
    if (found) return found
    const [group] = await commonGroups(this.db, this.me, account)
    if (group === undefined) return undefined
    return this.groups.bundles(group, [[account, device]]).then(
      ([one]) => one,
      () => undefined
    )
  }

  async publishDevices(ids: number[]): Promise<void> {
    const list = el('list', { xmlns: NS.omemo }, ...ids.map((id) => el('device', { id: String(id) })))
    await this.keyBuffer.flush()
    await publish(this.wire, DEVICE_LIST, 'current', list, 'open')
  }

  async publishBundle(device: number, { identity, signedPrekey, prekeys }: Bundle): Promise<void> {
    const bundle = el(
      'bundle',
      { xmlns: NS.omemo },
      el('signedPreKeyPublic', { signedPreKeyId: String(signedPrekey.id) }, base64.encode(signedPrekey.key)),
      el('signedPreKeySignature', {}, base64.encode(signedPrekey.signature)),
      el('identityKey', {}, base64.encode(identity)),
      el(
        'prekeys',
        {},
        ...prekeys.map(({ id, key }) => el('preKeyPublic', { preKeyId: String(id) }, base64.encode(key)))
      )
    )
    await this.keyBuffer.flush()
    await publish(this.wire, `${BUNDLES}${device}`, 'current', bundle, 'open')
  }

  async sendKeys(to: Address, envelope: Envelope): Promise<void> {
    await this.keyBuffer.flush()
    await this.wire.send(keyTransport(to, envelope))
  }

  async accepted(account: Address): Promise<boolean> {
    if (await isAccepted(this.db, this.me, account)) return true
    if ((await this.db.contacts.get(account))?.blocked) return false
    return (await commonGroups(this.db, this.me, account)).length > 0
  }

  /** Queues the request in the outbox, so that it survives a lost connection, and notes it with the message. */
  async askAgain(to: Address, device: number, messageId: string): Promise<void> {
    const { messages, outgoing } = this.db
    const { group, id } = named(messageId, this.me)
    const what = { type: 'resend' as const, of: id, device, ...(group && { group }) }
    await this.db.transaction('rw', messages, outgoing, async () => {
      await outgoing.add({ to, id: crypto.randomUUID(), what, tries: 0 })
      await messages
        .where('id')
        .equals(id)
        .filter(({ from, kind, mine, asked }) => from === to && kind === 'unreadable' && !mine && !asked)
        .modify({ asked: true })
    })
    this.queued()
  }
}

/** The ids in a device list. */
export function devicesOf(items: Item[]): number[] {
  const list = items.at(-1)?.payload
  const ids = children(list, NS.omemo, 'device').map((one) => Number(attribute(one, 'id')))
  return [...new Set(ids.filter((id) => Number.isInteger(id) && id > 0))]
}

/** By which a message is requested again: its id, for one of a group after the group's address. */
export function requestName({ chat, group, again, resent, id }: ReceivedMessage): string {
  const of = group ? chat : again
  const name = resent || id
  return of ? `${of} ${name}` : name
}

function named(name: string, me: Address): { group?: Address; id: string } {
  const group = name.slice(0, Math.max(0, name.indexOf(' ')))
  return group && isGroup(group, me) ? { group, id: name.slice(group.length + 1) } : { id: name }
}

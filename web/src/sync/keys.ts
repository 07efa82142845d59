/** Implements `KeyNetwork`: device lists and key bundles in personal nodes (XEP-0384 0.3). */
import type { Bundle, Envelope, KeyNetwork } from '../crypto/crypto'
import { isAccepted } from '../local/accepted'
import type { Database } from '../local/database'
import type { KeyBuffer } from '../local/key-buffer'
import type { Address } from '../local/types'
import { base64 } from '@scure/base'
import { fromBase64 } from '../local/bytes'
import { type Item, itemsOf, publish } from '../xmpp/pubsub'
import { keyTransport } from '../xmpp/composed'
import type { Wire } from '../xmpp/wire'
import { NS } from '../xmpp/ns'
import { attribute, child, children, el, textOf } from '../xmpp/xml'

export const DEVICE_LIST = `${NS.omemo}.devicelist`
const BUNDLES = `${NS.omemo}.bundles:`

export class Keys implements KeyNetwork {
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly keyBuffer: KeyBuffer,
    private readonly wire: Wire,
    private readonly queued: () => void
  ) {}

  async devices(account: Address): Promise<number[]> {
    return devicesOf(await itemsOf(this.wire, account, DEVICE_LIST))
  }

  async bundle(account: Address, device: number): Promise<Bundle | undefined> {
    return bundleOf(await itemsOf(this.wire, account, `${BUNDLES}${device}`))
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

  accepted(account: Address): Promise<boolean> {
    return isAccepted(this.db, this.me, account)
  }

  /** Queues the request in the outbox, so that it survives a lost connection, and notes it with the message. */
  async askAgain(to: Address, device: number, messageId: string): Promise<void> {
    const what = { type: 'resend' as const, of: messageId, device }
    const { messages, outgoing } = this.db
    await this.db.transaction('rw', messages, outgoing, async () => {
      await outgoing.add({ to, id: crypto.randomUUID(), what, tries: 0 })
      await messages
        .where('id')
        .equals(messageId)
        .filter(({ chat, kind, mine, asked }) => chat === to && kind === 'unreadable' && !mine && !asked)
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

function bundleOf(items: Item[]): Bundle | undefined {
  const bundle = items.at(-1)?.payload
  const signed = child(bundle, NS.omemo, 'signedPreKeyPublic')
  if (!bundle || !signed) return undefined
  try {
    return {
      identity: fromBase64(textOf(child(bundle, NS.omemo, 'identityKey'))),
      signedPrekey: {
        id: Number(attribute(signed, 'signedPreKeyId')),
        key: fromBase64(textOf(signed)),
        signature: fromBase64(textOf(child(bundle, NS.omemo, 'signedPreKeySignature')))
      },
      prekeys: children(child(bundle, NS.omemo, 'prekeys'), NS.omemo, 'preKeyPublic').map((one) => ({
        id: Number(attribute(one, 'preKeyId')),
        key: fromBase64(textOf(one))
      }))
    }
  } catch {
    return undefined
  }
}

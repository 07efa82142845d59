/** Builds the stanzas of outbox entries for groups, encrypted for all devices of all members. */
import { type Crypto, type Envelope, NobodyCanRead } from '../crypto/crypto'
import type { Database } from '../local/database'
import { messageKey } from '../local/order'
import type { Address, Failure, Group, Outgoing } from '../local/types'
import { type Cover, plaintextOf, type Single, UNENCRYPTED } from '../xmpp/composed'
import { extraIn, madeForGroup, resentOfGroup } from '../xmpp/group-composed'
import { memberKey } from '../xmpp/groups'
import type { OutgoingXml } from '../xmpp/xml'
import type { GroupKeys } from './group-keys'
import type { Groups } from './groups'
import { mayRead, type Resends } from './resends'
import { contentSent } from './sent-content'
import type { Settlement } from './settlement'
import { hasFile } from './upload-queue'
import type { Uploads } from './uploads'

/** How often members may change while a message is encrypted. */
const ATTEMPTS = 5

export class GroupStanzas {
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly crypto: Crypto,
    private readonly groups: Groups,
    private readonly keys: GroupKeys,
    private readonly resends: Resends,
    private readonly settlement: Settlement,
    private readonly uploads: Pick<Uploads, 'convert'>
  ) {}

  /** An empty result: the entry is settled without being sent. Rejects if it has to wait. */
  async prepare(one: Outgoing & { what: Single }): Promise<OutgoingXml[]> {
    const { to, id } = one
    const group = await this.groups.ready(to)
    if (group.affiliation === 'none' || group.affiliation === 'outcast' || group.invited) {
      await this.settlement.failed(one, 'refused')
      return []
    }
    const what = await this.asInGroup(to, one.what)
    const [text, extra] = [plaintextOf(what), extraIn(one.what)]
    const nick = what.type === 'message' ? ((await this.db.contacts.get(this.me))?.nick ?? '') : ''
    if (text === undefined && extra === undefined)
      return [madeForGroup(to, id, what, undefined, group.number, nick)]
    if (hasFile(one) && (one.what.media.plain === true) !== group.plain)
      await this.uploads.convert(one, group.plain)
    if (group.plain) {
      if (what.type !== 'message' && what.type !== 'reaction' && what.type !== 'caption') {
        await this.settlement.failed(one, 'no-device')
        return []
      }
      if (what.type === 'message') await this.settlement.unencrypted(one)
      return [madeForGroup(to, id, what, UNENCRYPTED, group.number, nick)]
    }
    try {
      const { cover, number } = await this.encrypted(to, text ?? '', extra)
      one.number = number
      return [madeForGroup(to, id, what, cover, number, nick)]
    } catch (error) {
      if (!(error instanceof NobodyCanRead)) throw error
      await this.settlement.failed(one, await this.failureIn(group))
      return []
    }
  }

  /** For the members that the group has at that moment. */
  private async encrypted(
    group: Address,
    text: string,
    extra: string | undefined
  ): Promise<{ cover: Cover; number: number }> {
    for (let attempt = 0; ; attempt++) {
      const { number } = await this.groups.ready(group)
      const devices = await this.keys.devices(group, number)
      if (devices.number !== number && attempt < ATTEMPTS) {
        this.keys.forget(group)
        await this.groups.update(group)
        continue
      }
      const people = await this.groups.belonging(group)
      const all = new Map(people.map(({ jid }): [Address, number[]] => [jid, devices.all.get(jid) ?? []]))
      const cover = await this.crypto.encryptForAll(all, text, extra, (some) =>
        this.keys.bundles(group, some)
      )
      return { cover, number }
    }
  }

  private async failureIn(group: Group): Promise<Failure> {
    for (const { jid } of await this.groups.belonging(group.address)) {
      if (jid === this.me) continue
      const known = await this.crypto.fingerprints(jid)
      if (known.some(({ active, trust }) => active && trust === 'undecided')) return 'undecided'
    }
    return 'no-device'
  }

  /** Messages have ids of the group there, and people addresses in it (XEP-0461 §3.1, XEP-0444 §4.2). */
  async asInGroup(group: Address, what: Single): Promise<Single> {
    if (what.type === 'message' && what.reply) {
      const { id, from } = what.reply
      return { ...what, reply: { ...what.reply, ...(await this.named(group, from, id)) } }
    }
    if (what.type === 'reaction') {
      const { id, from } = await this.named(group, what.from, what.of)
      return { ...what, of: id, from }
    }
    if (what.type === 'retraction') return { ...what, of: (await this.named(group, this.me, what.of)).id }
    return what
  }

  private async named(group: Address, from: Address, id: string): Promise<{ id: string; from: Address }> {
    const message = await this.db.messages.get(messageKey(group, from, from === this.me, id))
    const member = await this.db.members.get(memberKey(group, from))
    const address = from.startsWith(`${group}/`) ? from : member?.nick ? `${group}/${member.nick}` : group
    return { id: message?.archive ?? id, from: address }
  }

  /** Encrypts a message of a group again for a device that asked for it, if it was for that account, too. */
  async again(one: Outgoing, group: Address, of: string, device: number): Promise<OutgoingXml[]> {
    const { to, id } = one
    const trusted = mayRead(await this.crypto.fingerprints(to), device)
    if (!trusted) await this.resends.refuse(to, device, of, group)
    const content = trusted ? await contentSent(this.db, this.me, to, of, group) : undefined
    if (!content) {
      await this.settlement.failed(one)
      return []
    }
    const what = await this.asInGroup(group, content)
    const extra = extraIn(content)
    const text = plaintextOf(what) ?? ''
    const envelope: Envelope = await this.crypto.encryptFor(to, device, text, extra)
    return [resentOfGroup(to, id, group, of, what, envelope)]
  }
}

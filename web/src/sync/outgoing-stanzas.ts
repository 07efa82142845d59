/** Builds the stanzas of outbox entries, encrypted for the devices known now. */
import { type Crypto, NobodyCanRead } from '../crypto/crypto'
import { isGroup } from '../local/address'
import { abilitiesOf } from '../local/conversation'
import type { Database } from '../local/database'
import type { Address, Moment, Outgoing } from '../local/types'
import {
  made,
  resentMessage,
  marks,
  plaintextOf,
  type Single,
  UNENCRYPTED,
  type Cover
} from '../xmpp/composed'
import { extraIn } from '../xmpp/group-composed'
import type { Wire } from '../xmpp/wire'
import type { OutgoingXml } from '../xmpp/xml'
import type { GroupStanzas } from './group-stanzas'
import type { Keyless } from './keyless'
import { mayRead, type Resends } from './resends'
import { contentSent } from './sent-content'
import type { Settlement } from './settlement'
import { hasFile } from './upload-queue'
import { Converted, type Uploads } from './uploads'

export class OutgoingStanzas {
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly crypto: Crypto,
    private readonly wire: Wire,
    private readonly resends: Resends,
    private readonly settlement: Settlement,
    private readonly keyless: Keyless,
    private readonly groups: GroupStanzas,
    private readonly now: () => Moment,
    private readonly uploads: Pick<Uploads, 'convert'>
  ) {}

  /** An empty result: the entry is settled without being sent. Rejects if it has to wait. */
  async prepare(one: Outgoing): Promise<OutgoingXml[]> {
    const { to, id, what } = one
    try {
      if (isGroup(to, this.me))
        return what.type === 'marker' ? [] : await this.groups.prepare(one as Outgoing & { what: Single })
      if (what.type === 'marker') {
        if (!(await this.db.contacts.get(to))?.blocked) return marks(to, what)
        // Blocked people do not learn what was read
        if (one.seq !== undefined) await this.db.outgoing.delete(one.seq)
        return []
      }
      if (what.type === 'resent' && what.group)
        return await this.groups.again(one, what.group, what.of, what.device)
      if (what.type === 'resent') return await this.again(one, what.of, what.device)
      if (what.type === 'resend') {
        const { sender, iv, keys } = await this.crypto.encryptFor(to, what.device, '')
        return [made(to, id, what, { sender, iv, keys })]
      }
      const secret = plaintextOf(what)
      const extra = extraOf(what)
      let cover: Cover | undefined
      if (secret !== undefined || extra !== undefined) {
        cover = await this.crypto.encrypt([to], secret ?? '', extra)
        if (hasFile(one) && one.what.media.plain) await this.uploads.convert(one, false)
        await this.keyless.appeared(to)
      }
      return [await this.stanza(to, id, what, cover)]
    } catch (error) {
      if (error instanceof Converted) throw error
      if (!(error instanceof NobodyCanRead)) {
        if (this.wire.online && one.seq !== undefined) {
          await this.db.outgoing.update(one.seq, { tries: one.tries + 1 })
        }
        throw error
      }
      if (to === this.me) {
        await this.settlement.acknowledged(one, this.now())
        return []
      }
      if (what.type === 'marker' || what.type === 'resend' || what.type === 'resent') {
        await this.settlement.failed(one)
        return []
      }
      const decision = await this.keyless.decide(to)
      if (
        decision === 'unencrypted' &&
        (what.type === 'pin' || what.type === 'vote' || what.type === 'close' || what.type === 'note')
      ) {
        // Other apps would not understand it, so there is no unencrypted form
        await this.settlement.failed(one, 'no-device')
        return []
      }
      if (decision === 'unencrypted') {
        if (hasFile(one) && one.what.media.key !== undefined) await this.uploads.convert(one, true)
        if (what.type === 'message') await this.settlement.unencrypted(one)
        return [await this.stanza(to, id, what, UNENCRYPTED)]
      }
      await this.settlement.failed(one, decision)
      return []
    }
  }

  private async stanza(to: Address, id: string, what: Single, cover?: Cover): Promise<OutgoingXml> {
    return made(to, id, what, cover, what.type === 'message' ? await this.nameFor(to) : '')
  }

  /** The user's name, for people who do not get it with the user's presence. */
  private async nameFor(to: Address): Promise<string> {
    if (!abilitiesOf(to, this.me).person) return ''
    const [me, them] = await this.db.contacts.bulkGet([this.me, to])
    const sees = them?.subscription === 'from' || them?.subscription === 'both'
    return sees ? '' : (me?.nick ?? '')
  }

  /**
   * Encrypts a sent message again for one device that asked for it: only if it was sent to that account, and the device
   * is trusted.
   */
  private async again(one: Outgoing, of: string, device: number): Promise<OutgoingXml[]> {
    const { to, id } = one
    const trusted = mayRead(await this.crypto.fingerprints(to), device)
    if (!trusted) await this.resends.refuse(to, device, of)
    const content = trusted ? await contentSent(this.db, this.me, to, of) : undefined
    const secret = content && plaintextOf(content)
    if (!content || secret === undefined) {
      await this.settlement.failed(one)
      return []
    }
    const envelope = await this.crypto.encryptFor(to, device, secret, extraOf(content))
    return [resentMessage(to, id, of, content, envelope)]
  }
}

/** What is sealed in messages to one person: pins have an older form. */
function extraOf(what: Single): string | undefined {
  return what.type === 'pin' ? undefined : extraIn(what)
}

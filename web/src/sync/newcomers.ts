/**
 * Encrypts the last messages of a group anew for somebody who has come in, if the group is to show them what was said
 * before, and the user is an admin (docs/protocol.md, Groups).
 */
import { type Crypto, NobodyCanRead } from '../crypto/crypto'
import type { Database } from '../local/database'
import { isAdmin, isMember } from '../local/members'
import type { Address, Message, Moment } from '../local/types'
import { plaintextOf } from '../xmpp/composed'
import { Refused } from '../xmpp/errors'
import { extraIn, passedOn } from '../xmpp/group-composed'
import { newcomersIn, reservedIn } from '../xmpp/groups'
import { NS } from '../xmpp/ns'
import type { Wire } from '../xmpp/wire'
import { el } from '../xmpp/xml'
import type { GroupKeys } from './group-keys'
import type { GroupStanzas } from './group-stanzas'
import { contentOf } from './sent-content'

/** Milliseconds until whoever has added somebody begins; the devices of other admins wait longer, in case that is gone. */
const SOON_MS = 300
const LATER_MS = 3000

export class Newcomers {
  private readonly timers = new Map<Address, ReturnType<typeof setTimeout>>()
  private stopped = false

  constructor(
    private readonly db: Database,
    private readonly wire: Wire,
    private readonly crypto: Crypto,
    private readonly keys: GroupKeys,
    private readonly stanzas: GroupStanzas,
    private readonly now: () => Moment
  ) {}

  stop(): void {
    this.stopped = true
    for (const timer of this.timers.values()) clearTimeout(timer)
  }

  /** Somebody may be new in a group; `mine`: the user has let them in. */
  soon(group: Address, mine: boolean): void {
    if (this.timers.has(group) || this.stopped) return
    const wait = mine ? SOON_MS : LATER_MS * (1 + Math.random())
    const begin = () => {
      this.timers.delete(group)
      // without a connection, the next session begins anew
      this.give(group).catch(() => undefined)
    }
    this.timers.set(group, setTimeout(begin, wait))
  }

  private async give(address: Address): Promise<void> {
    const group = await this.db.groups.get(address)
    if (!group || !isMember(group) || !isAdmin(group) || !group.settings.history || group.plain) return
    const asked = el('newcomers', { xmlns: NS.groups })
    for (const { jid } of newcomersIn(await this.wire.request('get', address, asked))) {
      try {
        await this.giveTo(address, jid)
      } catch (error) {
        // another device is at it, or they have no device that can read yet
        if (!(error instanceof Refused) && !(error instanceof NobodyCanRead)) throw error
      }
    }
  }

  private async giveTo(group: Address, jid: Address): Promise<void> {
    const ask = (done = false) =>
      this.wire.request(
        'set',
        group,
        el('history', { xmlns: NS.groups, jid, done: done ? 'true' : undefined })
      )
    const { before, most, given } = reservedIn(await ask())
    const messages = await this.last(group, before, most, given)
    if (messages.length) {
      const devices = new Map([[jid, await this.keys.devicesOf(group, jid)]])
      for (const message of messages) await this.pass(group, jid, devices, message)
    }
    await ask(true)
  }

  private async pass(
    group: Address,
    jid: Address,
    devices: ReadonlyMap<Address, number[]>,
    message: Message
  ): Promise<void> {
    const what = await this.stanzas.asInGroup(group, contentOf(message))
    const extra = JSON.stringify({
      ...(JSON.parse(extraIn(what) ?? '{}') as Record<string, unknown>),
      original: message.id
    })
    const envelope = await this.crypto.encryptForAll(devices, plaintextOf(what) ?? '', extra, (some) =>
      this.keys.bundles(group, some)
    )
    await this.wire.send(passedOn(group, jid, message.archive ?? '', what, envelope))
  }

  /** The last messages before one, the oldest first, as they read now. */
  private async last(
    group: Address,
    before: string,
    most: number,
    given: ReadonlySet<string>
  ): Promise<Message[]> {
    const fits = ({ kind, archive = before, encrypted, expires = Infinity, untrusted }: Message): boolean =>
      kind === 'text' &&
      encrypted &&
      untrusted === undefined &&
      archive < before &&
      expires > this.now() &&
      !given.has(archive)
    const found = await this.db.messages
      .where('[chat+at+order]')
      .between([group, -Infinity, ''], [group, Infinity, '\uffff'])
      .reverse()
      .filter(fits)
      .limit(most)
      .toArray()
    return found.reverse()
  }
}

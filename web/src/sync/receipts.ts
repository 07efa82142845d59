/**
 * Delivery receipts (XEP-0184) and markers (XEP-0333) within one transaction: which are owed, which another own device
 * has sent already, and what became of own messages.
 */
import { changeKey } from '../local/changes'
import { placeTimer } from '../local/chats'
import type { Database } from '../local/database'
import { messageKey, orderOf } from '../local/order'
import type { Address, Message, Outgoing } from '../local/types'
import { changeSentAs, failChange } from '../local/unsent'
import type { Work } from '../local/work'
import type { ReceivedMessage } from '../xmpp/received'

export class Receipts {
  /** By chat: the ids of messages that are to be acknowledged. */
  private readonly owed = new Map<Address, string[]>()

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly work: Work
  ) {}

  /** Queues the receipts that are owed. */
  async queue(): Promise<void> {
    const rows = [...this.owed].map(([to, of]): Outgoing => {
      return { to, id: crypto.randomUUID(), what: { type: 'marker', of, kind: 'received' }, tries: 0 }
    })
    if (rows.length) await this.db.outgoing.bulkAdd(rows)
  }

  /** Notes that a receipt for this message is owed, unless one was sent. */
  async owe({ key, chat }: Message, id: string): Promise<void> {
    const sent = (await this.work.change(changeKey('received', key, this.me), key)) !== undefined
    if (!sent) this.owed.set(chat, [...(this.owed.get(chat) ?? []), id])
  }

  /** Another device of the user has sent a receipt or marker, so this one does not. */
  async sentElsewhere(chat: Address, kind: 'received' | 'displayed', id: string): Promise<void> {
    if (kind === 'received') this.forgive(chat, id)
    const waiting = await this.db.outgoing.where('to').equals(chat).toArray()
    for (const one of waiting) {
      const { what, seq } = one
      if (seq === undefined || what.type !== 'marker' || what.kind !== kind || !what.of.includes(id)) continue
      const of = what.of.filter((other) => other !== id)
      if (of.length) await this.db.outgoing.put({ ...one, what: { ...what, of } })
      else await this.db.outgoing.delete(seq)
    }
  }

  /** A message of the user is in the archive, so it was sent, even if the acknowledgement was lost. */
  async archived({ chat, id, archive, at }: ReceivedMessage): Promise<void> {
    const waiting = await this.db.outgoing.where('id').equals(id).toArray()
    for (const { to, seq, what } of waiting) {
      if (to !== chat || seq === undefined) continue
      await this.db.outgoing.delete(seq)
      if (what.type === 'timer') await placeTimer(this.work, chat, seq, orderOf(archive, at))
    }
  }

  /** A message of the user, or a change of one, came back as an error. What was delivered stays so. */
  async bounced({ chat, id, mine, error, at }: ReceivedMessage): Promise<void> {
    if (mine || !error) return
    const message = await this.work.message(messageKey(chat, this.me, true, id))
    if (message && (message.progress === 'waiting' || message.progress === 'sent')) {
      this.work.setMessage({ ...message, progress: 'failed', failure: error })
    }
    const change = message ? undefined : await changeSentAs(this.work, this.me, chat, id)
    if (change) await failChange(this.work, this.me, change, id, error, at)
  }

  private forgive(chat: Address, id: string): void {
    const ids = (this.owed.get(chat) ?? []).filter((one) => one !== id)
    if (ids.length) this.owed.set(chat, ids)
    else this.owed.delete(chat)
  }
}

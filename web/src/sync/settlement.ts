/**
 * Completes outbox entries: an acknowledged message gets its position and leaves the outbox; one that can't be sent is
 * marked as failed.
 */
import { changeKey, placeChange } from '../local/changes'
import { findLast, placeTimer } from '../local/chats'
import { isGroup } from '../local/address'
import type { Database } from '../local/database'
import { move } from '../local/messages'
import { resolve } from '../local/naming'
import { isWaiting, messageKey, orderAt } from '../local/order'
import { raise } from '../local/progress'
import { ofChat } from '../local/queries'
import type { Address, Failure, Moment, Outgoing, SentChange } from '../local/types'
import { failChange, isSent } from '../local/unsent'
import { Work } from '../local/work'

export class Settlement {
  private readonly acknowledgedEntries: { one: Outgoing; at: Moment }[] = []
  private settling: Promise<void> | undefined

  /** `onSettled` is called when acknowledged entries are stored as such. */
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly now: () => Moment,
    private readonly onSettled: () => void
  ) {}

  /**
   * The server has acknowledged an entry. What was sent to a group is settled when it comes back in the group's order, or is
   * refused. Entries that are acknowledged during a transaction share the next one. */
  acknowledged(one: Outgoing, at: Moment): Promise<void> {
    if (isGroup(one.to, this.me)) return Promise.resolve()
    this.acknowledgedEntries.push({ one, at })
    this.settling ??= this.settleAll()
    return this.settling
  }

  private async settleAll(): Promise<void> {
    await Promise.resolve()
    try {
      while (this.acknowledgedEntries.length) await this.settle(this.acknowledgedEntries.splice(0))
    } finally {
      this.settling = undefined // in the same turn as the last check
    }
  }

  private async settle(all: { one: Outgoing; at: Moment }[]): Promise<void> {
    await Work.run(this.db, async (work) => {
      await this.db.outgoing.bulkDelete(all.flatMap(({ one: { seq } }) => (seq === undefined ? [] : [seq])))
      await work.fetch(all.flatMap(({ one }) => keyOf(one, this.me) ?? []))
      const moved = new Set<Address>()
      for (const { one, at } of all) {
        await work.keepAlive()
        if (one.what.type === 'timer') await placeTimer(work, one.to, one.seq ?? 0, orderAt(at))
        await this.orderChange(work, one, orderAt(at))
        const key = keyOf(one, this.me)
        const message = key && (await work.message(key))
        if (!message || !isWaiting(message.order)) continue
        await raise(work, key, 'sent')
        await move(work, key, orderAt(at))
        moved.add(message.chat)
      }
      for (const chat of moved) {
        await this.moveWaiting(work, chat)
        await findLast(work, chat)
      }
    })
    this.onSettled()
  }

  /** Gives a change of a message its order after it was sent. */
  private async orderChange(work: Work, { to, id, what }: Outgoing, order: string): Promise<void> {
    if (what.type === 'message' && what.replaces !== undefined)
      await placeChange(work, this.me, 'edit', messageKey(to, this.me, true, what.replaces), id, order)
    if (what.type === 'reaction') {
      const target = messageKey(to, what.from, what.from === this.me, what.of)
      await placeChange(work, this.me, 'reaction', target, id, order)
    }
  }

  /** Moves waiting messages behind the sent ones: they are now at least as late. */
  private async moveWaiting(work: Work, chat: Address): Promise<void> {
    const rows = await this.db.outgoing.where('to').equals(chat).toArray()
    const keys = rows.flatMap((row) => keyOf(row, this.me) ?? [])
    if (!keys.length) return
    await work.flush()
    const last = await ofChat(this.db, chat)
      .reverse()
      .filter((message) => !isWaiting(message.order))
      .first()
    await work.fetch(keys)
    for (const key of keys) {
      const message = await work.message(key)
      if (last && message && message.at < last.at) work.setMessage({ ...message, at: last.at })
    }
  }

  /** Notes that a message is about to be sent unencrypted. For a correction, that applies to the corrected message. */
  async unencrypted({ to, id, what }: Outgoing): Promise<void> {
    await Work.run(this.db, async (work) => {
      const named = what.type === 'message' ? (what.replaces ?? id) : id
      const message = await work.message(await resolve(work, messageKey(to, this.me, true, named)))
      if (message) work.setMessage({ ...message, encrypted: false })
    })
  }

  /** Notes that an entry can't be sent. */
  async failed(one: Outgoing, failure?: Failure): Promise<void> {
    await Work.run(this.db, async (work) => {
      const key = keyOf(one, this.me)
      const message = key && (await work.message(key))
      if (one.seq !== undefined) await this.db.outgoing.delete(one.seq)
      if (message) work.setMessage({ ...message, progress: 'failed', ...(failure && { failure }) })
      else if (failure) await this.failedChange(work, one, failure)
    })
  }

  private async failedChange(work: Work, { to, id, what }: Outgoing, failure: Failure): Promise<void> {
    const named = changeOf(what, this.me)
    if (!named) return
    const target = messageKey(to, named.from, named.from === this.me, named.of)
    const change = await work.change(changeKey(named.kind, target, this.me), target)
    if (change && isSent(change)) await failChange(work, this.me, change, id, failure, this.now())
  }
}

/** What an entry of the outbox changes, if it does: a message by its author and id. */
function changeOf(
  what: Outgoing['what'],
  me: Address
): { kind: SentChange; from: Address; of: string } | undefined {
  if (what.type === 'message' && what.replaces !== undefined)
    return { kind: 'edit', from: me, of: what.replaces }
  if (what.type === 'retraction') return { kind: 'retraction', from: me, of: what.of }
  if (what.type === 'reaction' || what.type === 'pin')
    return { kind: what.type, from: what.from, of: what.of }
  return undefined
}

/** The key of the message that this entry sends, if it does. */
function keyOf({ to, id, what }: Outgoing, me: Address): string | undefined {
  return what.type === 'message' && what.replaces === undefined ? messageKey(to, me, true, id) : undefined
}

/**
 * Completes outbox entries: an acknowledged message gets its position and leaves the outbox; one that can't be sent is
 * marked as failed.
 */
import { placeChange } from '../local/changes'
import { findLast, placeTimer } from '../local/chats'
import type { Database } from '../local/database'
import { move } from '../local/messages'
import { resolve } from '../local/naming'
import { isWaiting, messageKey, orderAt } from '../local/order'
import { raise } from '../local/progress'
import { ofChat } from '../local/queries'
import type { Address, Failure, Moment, Outgoing } from '../local/types'
import { Work } from '../local/work'

export class Settlement {
  private readonly landed: { one: Outgoing; at: Moment }[] = []
  private landing: Promise<void> | undefined

  /** `onArrived` is called when something has arrived at the server and that is stored. */
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly now: () => Moment,
    private readonly onArrived: () => void
  ) {}

  /** The server has it. What arrives while one transaction runs shares the next: an answer of the server is for many. */
  arrived(one: Outgoing, at: Moment): Promise<void> {
    this.landed.push({ one, at })
    this.landing ??= this.landAll()
    return this.landing
  }

  private async landAll(): Promise<void> {
    await Promise.resolve()
    try {
      while (this.landed.length) await this.land(this.landed.splice(0))
    } finally {
      this.landing = undefined // within the turn that has found nothing more
    }
  }

  private async land(all: { one: Outgoing; at: Moment }[]): Promise<void> {
    await Work.run(this.db, async (work) => {
      await this.db.outgoing.bulkDelete(all.flatMap(({ one: { seq } }) => (seq === undefined ? [] : [seq])))
      await work.fetch(all.flatMap(({ one }) => keyOf(one, this.me) ?? []))
      const moved = new Set<Address>()
      for (const { one, at } of all) {
        await work.keepAlive()
        if (one.what.type === 'timer') await placeTimer(work, one.to, one.seq ?? 0, orderAt(at))
        await this.placed(work, one, orderAt(at))
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
    this.onArrived()
  }

  /** What was said of a message does not wait any more. */
  private async placed(work: Work, { to, id, what }: Outgoing, order: string): Promise<void> {
    if (what.type === 'message' && what.replaces !== undefined)
      await placeChange(work, this.me, 'edit', messageKey(to, this.me, true, what.replaces), id, order)
    if (what.type === 'reaction') {
      const target = messageKey(to, what.from, what.from === this.me, what.of)
      await placeChange(work, this.me, 'reaction', target, id, order)
    }
  }

  /** What waits stands behind what was sent, which is as late now as it was sent. */
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

  /** It is about to be sent unencrypted; a correction makes the message that it corrects readable as well. */
  async unencrypted({ to, id, what }: Outgoing): Promise<void> {
    await Work.run(this.db, async (work) => {
      const named = what.type === 'message' ? (what.replaces ?? id) : id
      const message = await work.message(await resolve(work, messageKey(to, this.me, true, named)))
      if (message) work.setMessage({ ...message, encrypted: false })
    })
  }

  /** It can't be sent. */
  async failed(one: Outgoing, failure?: Failure): Promise<void> {
    await Work.run(this.db, async (work) => {
      const key = keyOf(one, this.me)
      const message = key && (await work.message(key))
      if (one.seq !== undefined) await this.db.outgoing.delete(one.seq)
      await this.placed(work, one, orderAt(this.now()))
      if (message) work.setMessage({ ...message, progress: 'failed', ...(failure && { failure }) })
    })
  }
}

/** Of the message that is sent by this, if it is one. */
function keyOf({ to, id, what }: Outgoing, me: Address): string | undefined {
  return what.type === 'message' && what.replaces === undefined ? messageKey(to, me, true, id) : undefined
}

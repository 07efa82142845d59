/** What all actions of the user share: a transaction on the history, and queueing what others have to be told. */
import { addChange, changeKey } from '../local/changes'
import type { Database } from '../local/database'
import { messageKey, orderAt } from '../local/order'
import type { Address, Change, Message, Moment, OutgoingContent } from '../local/types'
import { Work } from '../local/work'

export class Queueing {
  /** `now`: the server's clock as far as it is known; `woken` is called when something waits to be sent. */
  constructor(
    readonly db: Database,
    readonly me: Address,
    readonly now: () => Moment,
    readonly woken: () => void
  ) {}

  /** Runs `work` in a transaction, and wakes the outbox. */
  async write(work: (work: Work) => Promise<void>): Promise<void> {
    await Work.run(this.db, work)
    this.woken()
  }

  /** The same with a message, if it is here. */
  async about(key: string, run: (message: Message, work: Work) => Promise<void>): Promise<void> {
    await this.write(async (work) => {
      const message = await work.message(key)
      if (message) await run(message, work)
    })
  }

  /** A message of mine that waits to be sent. */
  mine(chat: Address, id: string, text: string): Omit<Message, 'at' | 'order'> {
    return {
      ...{ key: messageKey(chat, this.me, true, id), chat, from: this.me, mine: true, id },
      ...{ kind: 'text', text, progress: 'waiting', reactions: {}, encrypted: true }
    }
  }

  /** What I say of a message. */
  async change(
    work: Work,
    { key }: Message,
    kind: Change['kind'],
    content: Pick<Change, 'text' | 'emojis' | 'until' | 'id' | 'sent' | 'waits'>
  ): Promise<void> {
    const from = this.me
    const of = { key: changeKey(kind, key, from), target: key, kind, from, encrypted: true }
    await addChange(work, from, { ...of, ...content, order: orderAt(this.now()) })
  }

  /** Queues what has an id of its own, and returns that. What the archive tells of it is known then. */
  async tell(
    work: Work,
    to: Address,
    what: OutgoingContent,
    id: string = crypto.randomUUID()
  ): Promise<{ id: string; waits: number }> {
    work.setSeen(messageKey(to, this.me, true, id))
    return { id, waits: await this.queue(to, id, what) }
  }

  /** The place in the outbox. */
  async queue(to: Address, id: string, what: OutgoingContent): Promise<number> {
    const seq = await this.db.outgoing.add({ to, id, what, tries: 0 })
    if (seq === undefined) throw new Error('no place in the outbox')
    return seq
  }

  async unqueue({ id, chat }: Message): Promise<void> {
    await this.db.outgoing
      .where('id')
      .equals(id)
      .filter((one) => one.to === chat)
      .delete()
  }

  /** Something that my devices share was changed, and is to be published (`settings.ts`). */
  async unsynced(what: 'read' | 'settings' | 'default', address: Address): Promise<void> {
    await this.db.setFact(`unsynced ${what} ${address}`, crypto.randomUUID())
  }
}

/** What all actions of the user share: a transaction on the history, and queueing what others have to be told. */
import { addChange, changeKey } from '../local/changes'
import type { Database } from '../local/database'
import { messageKey, orderAt } from '../local/order'
import type { Address, Change, Message, Moment, OutgoingContent } from '../local/types'
import { neverLeft } from '../local/unsent'
import { Work } from '../local/work'
import { dropUploads } from './upload-queue'

export class Queueing {
  /** `now`: the server's time as far as it is known; `woken` is called when something waits to be sent. */
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

  /** The same for a message, if it is stored. */
  async about(key: string, run: (message: Message, work: Work) => Promise<void>): Promise<void> {
    await this.write(async (work) => {
      const message = await work.message(key)
      if (message) await run(message, work)
    })
  }

  /** A new message of the user, which waits to be sent. */
  mine(chat: Address, id: string, text: string): Omit<Message, 'at' | 'order'> {
    return {
      ...{ key: messageKey(chat, this.me, true, id), chat, from: this.me, mine: true, id },
      ...{ kind: 'text', text, progress: 'waiting', reactions: {}, encrypted: true }
    }
  }

  /** Stores a change that the user makes to a message. */
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

  /**
   * Queues an entry with its own id, and marks that id as known, since it will be in the archive. Returns the id and
   * the place in the outbox.
   */
  async tell(
    work: Work,
    to: Address,
    what: OutgoingContent,
    id: string = crypto.randomUUID()
  ): Promise<{ id: string; waits: number }> {
    work.setSeen(messageKey(to, this.me, true, id))
    return { id, waits: await this.queue(to, id, what) }
  }

  /** Returns the place in the outbox. */
  async queue(to: Address, id: string, what: OutgoingContent): Promise<number> {
    const seq = await this.db.outgoing.add({ to, id, what, tries: 0 })
    if (seq === undefined) throw new Error('no place in the outbox')
    return seq
  }

  /**
   * Removes a message from the outbox. If it has not left this device, so does what is said about it: an edit without
   * the message would show its text to the others.
   */
  async unqueue(message: Message): Promise<void> {
    const { id, chat } = message
    const waiting = this.db.outgoing.where('to').equals(chat)
    const unsent =
      neverLeft(message) || (await waiting.filter((one) => one.id === id && !one.made).count()) > 0
    await this.db.outgoing
      .where('to')
      .equals(chat)
      .filter((one) => one.id === id || (unsent && isAbout(one.what, id)))
      .delete()
    if (message.media) await dropUploads(this.db, message.media)
  }

  /** Notes that data shared by the user's devices were changed, so that they are published (`settings.ts`). */
  async unsynced(what: 'read' | 'settings' | 'default', address: Address): Promise<void> {
    await this.db.setFact(`unsynced ${what} ${address}`, crypto.randomUUID())
  }
}

/** Whether something to be sent is about the user's message with an id. */
function isAbout(what: OutgoingContent, id: string): boolean {
  return what.type === 'message' ? what.replaces === id : 'of' in what && what.of === id
}

/** The timers of disappearing messages: per chat, and the default for new chats. */
import { abilitiesOf } from '../local/conversation'
import { updateChat } from '../local/chats'
import { addMessage } from '../local/messages'
import { messageKey, orderAt, orderWaiting } from '../local/order'
import { ofChat } from '../local/queries'
import type { Address } from '../local/types'
import type { Work } from '../local/work'
import { DEFAULT_TIMER } from './app'
import type { Queueing } from './queueing'

export class Timers {
  constructor(private readonly on: Queueing) {}

  async set(address: Address, seconds: number): Promise<void> {
    await this.on.write((work) => this.setWithin(work, address, seconds))
  }

  private async setWithin(work: Work, address: Address, seconds: number): Promise<void> {
    const chat = await work.chat(address)
    if (chat.disappears === seconds) return
    const at = Math.max(this.on.now(), chat.at)
    const id = crypto.randomUUID()
    work.setSeen(messageKey(address, this.on.me, true, id))
    const seq = await this.on.queue(address, id, { type: 'timer', seconds })
    await updateChat(work, address, { disappears: seconds, timerOrder: orderWaiting(seq) })
    await this.on.unsynced('settings', address)
    await addMessage(work, this.on.me, {
      ...this.on.mine(address, crypto.randomUUID(), `disappears ${seconds}`),
      kind: 'notice',
      progress: 'sent',
      at,
      order: orderAt(at)
    })
  }

  /** The user's first message in a chat sets the default timer, unless either side has set one. */
  async begin(work: Work, address: Address): Promise<void> {
    if (!abilitiesOf(address, this.on.me).startsTimer) return
    const { timerOrder, clearedTo } = await work.chat(address)
    if (timerOrder || clearedTo) return
    const seconds = (await this.on.db.fact<number>(DEFAULT_TIMER)) ?? 0
    if (seconds <= 0) return
    await work.flush()
    const said = await ofChat(this.on.db, address)
      .filter((message) => message.mine && message.kind !== 'notice')
      .first()
    if (!said) await this.setWithin(work, address, seconds)
  }

  /** Sets the default for new chats. */
  async setDefault(seconds: number): Promise<void> {
    await this.on.db.transaction('rw', this.on.db.facts, async () => {
      await this.on.db.setFact(DEFAULT_TIMER, seconds)
      await this.on.unsynced('default', 'timer')
    })
    this.on.woken()
  }
}

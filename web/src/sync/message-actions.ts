/** Actions of the user on existing messages. */
import { isServer } from '../local/address'
import { changeKey } from '../local/changes'
import { findLast } from '../local/chats'
import { forget } from '../local/deletion'
import { split, STANZA_BYTES, textBytes } from '../local/length'
import { addMessage } from '../local/messages'
import { isWaiting, orderAt } from '../local/order'
import { emojisIn } from '../local/reactions'
import type { Address, Message } from '../local/types'
import type { SendOptions } from './app'
import type { Queueing } from './queueing'
import { requeue } from './trusted'

/** A value that is no chat's draft, so that no draft is removed. */
const NO_DRAFT = '\0'

export class MessageActions {
  constructor(
    private readonly on: Queueing,
    private readonly send: (chat: Address, text: string, options: SendOptions) => Promise<void>
  ) {}

  async react(key: string, chosen: string[]): Promise<void> {
    const emojis = emojisIn(chosen)
    await this.on.about(key, async (message, work) => {
      const earlier = await this.on.db.changes.get(changeKey('reaction', key, this.on.me))
      const replaces = earlier?.emojis?.length ? earlier.id : undefined
      const { id, waits } = await this.on.tell(work, message.chat, {
        type: 'reaction',
        of: message.id,
        from: message.from,
        emojis,
        ...(replaces && { replaces })
      })
      await this.on.change(work, message, 'reaction', { emojis, id: replaces ?? id, sent: id, waits })
    })
  }

  async deleteForEveryone(key: string): Promise<void> {
    await this.on.about(key, async (message, work) => {
      if (!message.mine) return
      const waiting = await this.on.db.outgoing.where('id').equals(message.id).toArray()
      if (waiting.some(({ to, made }) => to === message.chat && !made)) {
        // The message has not left this device, so nobody has to be told
        await this.on.unqueue(message)
        await forget(work, [key])
        return
      }
      await this.on.tell(work, message.chat, { type: 'retraction', of: message.id })
      await this.on.change(work, message, 'retraction', {})
    })
  }

  async deleteForMe(keys: string[]): Promise<void> {
    await this.on.write(async (work) => {
      for (const message of await this.on.db.messages.bulkGet(keys)) {
        if (message?.mine) await this.on.unqueue(message)
      }
      await forget(work, keys)
    })
  }

  async forward(keys: string[], chats: Address[]): Promise<void> {
    const messages = await this.on.db.messages.bulkGet(keys)
    const most = textBytes(await this.on.db.fact<number>(STANZA_BYTES))
    const parts = messages
      .filter((message): message is Message => message?.kind === 'text')
      // messages from other apps may be longer than ours may be
      .flatMap((message) => split(message.text, most).map((text) => ({ text, options: forwarding(message) })))
    await Promise.all(
      chats.flatMap((chat) => parts.map(({ text, options }) => this.send(chat, text, options)))
    )
  }

  async retry(key: string): Promise<void> {
    await this.on.about(key, async (message, work) => {
      if (!message.mine || message.progress !== 'failed') return
      await requeue(work, message, this.on.now())
      await findLast(work, message.chat)
    })
  }

  async star(key: string, on: boolean): Promise<void> {
    await this.on.db.messages.update(key, { starred: on ? 1 : 0 })
  }

  /** Pins a message in the chat, for both sides; 0 seconds unpins it. */
  async pin(key: string, seconds: number): Promise<void> {
    await this.on.about(key, async (message, work) => {
      if (message.kind !== 'text' || isServer(message.chat, this.on.me) || isWaiting(message.order)) return
      const until = seconds > 0 ? this.on.now() + seconds * 1000 : 0
      const { chat, id: of, from } = message
      const { id } = await this.on.tell(work, chat, { type: 'pin', of, from, until })
      await this.on.change(work, message, 'pin', { until, id })
      if (!until) return
      const at = Math.max(this.on.now(), (await work.chat(chat)).at)
      await addMessage(work, this.on.me, {
        ...this.on.mine(chat, `pin-${id}`, 'pinned'),
        ...{ kind: 'notice', progress: 'sent', at, order: orderAt(at) }
      })
    })
  }
}

/** The draft of the other chat is kept. */
function forwarding({ unstyled }: Message): SendOptions {
  return { forwarded: true, draft: NO_DRAFT, ...(unstyled && { unstyled }) }
}

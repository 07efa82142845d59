/** What a person does to the local storage; needs no connection. What others have to learn goes into the outbox. */
import { isServer } from '../local/address'
import type { Database } from '../local/database'
import { newChat } from '../local/chat'
import {
  addChange,
  addMessage,
  changeKey,
  findLast,
  forget,
  ofChat,
  readTo,
  updateChat
} from '../local/history'
import { isWaiting, messageKey, orderAt, orderWaiting } from '../local/order'
import type { Address, Change, Chat, Message, Moment, OutgoingContent, Reply } from '../local/types'
import { Work } from '../local/work'
import type { SendOptions } from './app'

/** `now` is the server's clock as far as it is known; `woken` is called when the outbox has got something. */
export class Actions {
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly now: () => Moment,
    private readonly woken: () => void
  ) {}

  async send(address: Address, text: string, options: SendOptions = {}): Promise<void> {
    const { reply, forwarded, unstyled } = options
    await this.write(async (work) => {
      const chat = await work.chat(address)
      const id = crypto.randomUUID()
      const timer = chat.disappears
      const seq = await this.queue(address, id, {
        type: 'message',
        text,
        ...(reply && { reply }),
        ...(forwarded && { forwarded }),
        ...(unstyled && { unstyled }),
        ...(timer > 0 && { expires: timer })
      })
      const at = Math.max(this.now(), chat.at)
      await addMessage(work, this.me, {
        ...this.mine(address, id, text),
        at,
        order: orderWaiting(seq),
        ...(reply && { reply }),
        ...(forwarded && { forwarded }),
        ...(unstyled && { unstyled }),
        ...(timer > 0 && { expires: at + timer * 1000 })
      })
      await updateChat(work, address, { draft: '' })
    })
  }

  async edit(key: string, text: string): Promise<void> {
    await this.about(key, async (message, work) => {
      if (!message.mine || message.kind !== 'text') return
      const timer = message.expires === undefined ? 0 : Math.ceil((message.expires - message.at) / 1000)
      const id = await this.tell(work, message.chat, {
        type: 'message',
        text,
        replaces: message.id,
        ...(timer > 0 && { expires: timer })
      })
      await this.change(work, message, 'edit', { text, id })
    })
  }

  async react(key: string, emojis: string[]): Promise<void> {
    await this.about(key, async (message, work) => {
      const earlier = await this.db.changes.get(changeKey('reaction', key, this.me))
      const replaces = earlier?.emojis?.length ? earlier.id : undefined
      const id = await this.tell(work, message.chat, {
        type: 'reaction',
        of: message.id,
        from: message.from,
        emojis,
        ...(replaces && { replaces })
      })
      await this.change(work, message, 'reaction', { emojis, id: replaces ?? id })
    })
  }

  async deleteForEveryone(key: string): Promise<void> {
    await this.about(key, async (message, work) => {
      if (!message.mine) return
      await this.tell(work, message.chat, { type: 'retraction', of: message.id })
      await this.change(work, message, 'retraction', {})
    })
  }

  async deleteForMe(keys: string[]): Promise<void> {
    await this.write(async (work) => {
      for (const message of await this.db.messages.bulkGet(keys)) {
        if (message?.mine) await this.unqueue(message)
      }
      await forget(work, keys)
    })
  }

  async forward(keys: string[], chats: Address[]): Promise<void> {
    const messages = await this.db.messages.bulkGet(keys)
    for (const chat of chats) {
      for (const message of messages) {
        if (message?.kind === 'text') await this.send(chat, message.text, forwarding(message))
      }
    }
  }

  async retry(key: string): Promise<void> {
    await this.about(key, async (message, work) => {
      if (!message.mine || message.progress !== 'failed') return
      const { text, reply, forwarded, unstyled, expires } = message
      await this.unqueue(message)
      const at = Math.max(this.now(), (await work.chat(message.chat)).at)
      const timer = expires === undefined ? 0 : Math.ceil((expires - message.at) / 1000)
      const seq = await this.queue(message.chat, message.id, {
        type: 'message',
        text,
        ...(reply && { reply }),
        ...(forwarded && { forwarded }),
        ...(unstyled && { unstyled }),
        ...(timer > 0 && { expires: timer })
      })
      work.setMessage({
        ...message,
        progress: 'waiting',
        at,
        order: orderWaiting(seq),
        ...(timer > 0 && { expires: at + timer * 1000 })
      })
      await findLast(work, message.chat)
    })
  }

  async star(key: string, on: boolean): Promise<void> {
    await this.db.messages.update(key, { starred: on ? 1 : 0 })
  }

  async read(address: Address, key: string): Promise<void> {
    await this.write(async (work) => {
      const chat = await this.db.chats.get(address)
      const message = await this.db.messages.get(key)
      if (!chat || !message || (!chat.unread && message.order <= chat.readTo)) return
      const last = await this.lastOfOthers(message)
      // What waits stands nowhere yet
      const upTo = isWaiting(message.order) ? last?.order : message.order
      if (upTo) await readTo(work, address, upTo)
      await this.unsynced('read', address)
      // A server does not ask who has read what it says
      if (last && last.order > chat.readTo && !isServer(address)) {
        const what = { type: 'marker' as const, of: [last.id], kind: 'displayed' as const }
        await this.queue(address, crypto.randomUUID(), what)
      }
    })
  }

  async markUnread(address: Address): Promise<void> {
    const chat = await this.db.chats.get(address)
    if (chat && !chat.unread) await this.db.chats.update(address, { unread: 1 })
  }

  async draft(address: Address, text: string): Promise<void> {
    await this.write((work) => updateChat(work, address, { draft: text }))
  }

  async disappear(address: Address, seconds: number): Promise<void> {
    await this.write(async (work) => {
      const chat = await work.chat(address)
      if (chat.disappears === seconds) return
      const at = Math.max(this.now(), chat.at)
      const id = crypto.randomUUID()
      work.setSeen(messageKey(address, this.me, true, id))
      const seq = await this.queue(address, id, { type: 'timer', seconds })
      await updateChat(work, address, { disappears: seconds, timerOrder: orderWaiting(seq) })
      await this.unsynced('settings', address)
      await addMessage(work, this.me, {
        ...this.mine(address, crypto.randomUUID(), `disappears ${seconds}`),
        kind: 'notice',
        progress: 'sent',
        at,
        order: orderAt(at)
      })
    })
  }

  /** Settings of a chat that my other devices share. */
  async set(
    address: Address,
    change: Pick<Partial<Chat>, 'mutedUntil' | 'pinned' | 'archived'>
  ): Promise<void> {
    await this.write(async (work) => {
      await updateChat(work, address, change)
      await this.unsynced('settings', address)
    })
  }

  async clear(address: Address): Promise<void> {
    await this.write(async (work) => {
      await forget(work, await ofChat(this.db, address).primaryKeys())
      await this.db.outgoing.where('to').equals(address).filter(isMessage).delete()
      const { mutedUntil, pinned, archived, readTo, seenTo, ...chat } = await work.chat(address)
      const { disappears, timerOrder, timerMeanwhile } = chat
      work.setChat({
        ...newChat(address),
        ...{ mutedUntil, pinned, archived, readTo, seenTo, disappears, timerOrder, timerMeanwhile }
      })
    })
  }

  private mine(chat: Address, id: string, text: string): Omit<Message, 'at' | 'order'> {
    return {
      key: messageKey(chat, this.me, true, id),
      chat,
      from: this.me,
      mine: true,
      id,
      kind: 'text',
      text,
      progress: 'waiting',
      reactions: {},
      encrypted: true
    }
  }

  private async change(
    work: Work,
    { key }: Message,
    kind: Change['kind'],
    content: Pick<Change, 'text' | 'emojis' | 'id'>
  ): Promise<void> {
    const from = this.me
    const of = { key: changeKey(kind, key, from), target: key, kind, from, encrypted: true }
    await addChange(work, from, { ...of, ...content, order: orderAt(this.now()) })
  }

  private async lastOfOthers(upTo: Message): Promise<Message | undefined> {
    const { chat, at, order } = upTo
    return this.db.messages
      .where('[chat+at+order]')
      .between([chat, -Infinity, ''], [chat, at, order], true, true)
      .reverse()
      .filter((message) => !message.mine && message.kind !== 'notice')
      .first()
  }

  /** Queues what has an id of its own, and returns that. What the archive tells of it is known then. */
  private async tell(work: Work, to: Address, what: OutgoingContent): Promise<string> {
    const id = crypto.randomUUID()
    work.setSeen(messageKey(to, this.me, true, id))
    await this.queue(to, id, what)
    return id
  }

  private async queue(to: Address, id: string, what: OutgoingContent): Promise<number> {
    const seq = await this.db.outgoing.add({ to, id, what, tries: 0 })
    if (seq === undefined) throw new Error('no place in the outbox')
    return seq
  }

  private async unqueue({ id, chat }: Message): Promise<void> {
    await this.db.outgoing
      .where('id')
      .equals(id)
      .filter((one) => one.to === chat)
      .delete()
  }

  private async unsynced(what: 'read' | 'settings', address: Address): Promise<void> {
    await this.db.setFact(`unsynced ${what} ${address}`, crypto.randomUUID())
  }

  private async about(key: string, run: (message: Message, work: Work) => Promise<void>): Promise<void> {
    await this.write(async (work) => {
      const message = await work.message(key)
      if (message) await run(message, work)
    })
  }

  private async write(run: (work: Work) => Promise<void>): Promise<void> {
    await Work.run(this.db, run)
    this.woken()
  }
}

function forwarding({ unstyled }: Message): SendOptions {
  return { forwarded: true, ...(unstyled && { unstyled }) }
}

function isMessage({ what }: { what: OutgoingContent }): boolean {
  return what.type === 'message'
}

/** How an answer names the message that it answers. */
export function replyTo({ id, from, text }: Message): Reply {
  return { id, from, text }
}

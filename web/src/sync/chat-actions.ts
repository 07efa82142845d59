/** Actions of the user on whole chats: reading, settings, clearing. */
import { isAccepted } from '../local/accepted'
import { isGroup } from '../local/address'
import { abilitiesOf } from '../local/conversation'
import { newChat, setNow } from '../local/chat'
import { readTo, updateChat } from '../local/chats'
import { forget } from '../local/deletion'
import { isWaiting, orderAt } from '../local/order'
import { ofChat } from '../local/queries'
import type { Address, Chat, Message, Moment, OutgoingContent, Setting } from '../local/types'
import type { Queueing } from './queueing'

export class ChatActions {
  constructor(private readonly on: Queueing) {}

  async read(address: Address, key: string): Promise<void> {
    await this.on.write(async (work) => {
      const chat = await this.on.db.chats.get(address)
      const message = await this.on.db.messages.get(key)
      if (!chat || !message || (!chat.unread && message.order <= chat.readTo)) return
      const last = await this.lastOfOthers(message)
      // A waiting message has no position yet
      const upTo = isWaiting(message.order) ? last?.order : message.order
      if (upTo) await readTo(work, address, upTo)
      await this.on.unsynced('read', address)
      // Servers need no markers; strangers and blocked people get none
      const blocked = (await this.on.db.contacts.get(address))?.blocked
      const told =
        abilitiesOf(address, this.on.me).marks &&
        !blocked &&
        (isGroup(address, this.on.me) || (await isAccepted(this.on.db, this.on.me, address)))
      const of = isGroup(address, this.on.me) ? last?.archive : last?.id
      if (last && of && last.order > chat.readTo && told) {
        const what = { type: 'marker' as const, of: [of], kind: 'displayed' as const }
        await this.on.queue(address, crypto.randomUUID(), what)
      }
    })
  }

  /**
   * Sends a read marker to somebody who was just accepted, for what was read before. Reading it again would not send
   * one.
   */
  async tellRead(address: Address): Promise<void> {
    await this.on.write(async () => {
      const chat = await this.on.db.chats.get(address)
      if (
        !chat?.readTo ||
        !abilitiesOf(address, this.on.me).marks ||
        !(await isAccepted(this.on.db, this.on.me, address))
      )
        return
      const last = await this.on.db.messages
        .where('[chat+at+order]')
        .between([address, -Infinity, ''], [address, Infinity, ''])
        .reverse()
        .filter(({ mine, kind, order }) => !mine && kind === 'text' && order <= chat.readTo)
        .first()
      if (!last) return
      const what = { type: 'marker' as const, of: [last.id], kind: 'displayed' as const }
      await this.on.queue(address, crypto.randomUUID(), what)
    })
  }

  async markUnread(address: Address): Promise<void> {
    const chat = await this.on.db.chats.get(address)
    if (chat && !chat.unread) await this.on.db.chats.update(address, { unread: 1 })
  }

  /** Marks everything in these chats, or in all, as read. */
  async readAll(addresses?: Address[]): Promise<void> {
    const all = addresses ? await this.on.db.chats.bulkGet(addresses) : await this.on.db.chats.toArray()
    for (const chat of all) if (chat?.unread) await this.read(chat.address, chat.last)
  }

  /** Changes settings of a chat that the user's devices share. */
  async set(
    address: Address,
    change: Pick<Partial<Chat>, 'mutedUntil' | 'mentionsMuted' | 'pinned' | 'archived' | 'favourite'>
  ): Promise<void> {
    await this.on.write(async (work) => {
      const { setAt } = await work.chat(address)
      await updateChat(work, address, {
        ...change,
        setAt: setNow(setAt, Object.keys(change) as Setting[], this.on.now())
      })
      await this.on.unsynced('settings', address)
    })
  }

  /** Removes all messages of chats on all of the user's devices. The chats stay in the list, except with `remove`. */
  async clear(addresses: Address[], remove = false): Promise<void> {
    for (const address of addresses) {
      await this.on.write(async (work) => {
        const last = await ofChat(this.on.db, address)
          .reverse()
          .filter((message) => !isWaiting(message.order))
          .first()
        await forget(work, await ofChat(this.on.db, address).primaryKeys())
        await this.on.db.outgoing.where('to').equals(address).filter(isMessage).delete()
        const before = await work.chat(address)
        const {
          mutedUntil,
          mentionsMuted = false,
          readTo,
          seenTo,
          disappears,
          timerOrder,
          timerMeanwhile,
          at,
          order
        } = before
        const { clearedTo = '', pinned, archived, favourite = false, setAt } = before
        const touched: Setting[] = remove ? ['pinned', 'archived', 'favourite', 'listed'] : ['listed']
        work.setChat({
          ...newChat(address),
          ...{ mutedUntil, mentionsMuted, readTo, seenTo, disappears, timerOrder, timerMeanwhile, at, order },
          ...(!remove && { pinned, archived, favourite, listed: true }),
          setAt: setNow(setAt, touched, this.on.now()),
          clearedTo: clearedUpTo(clearedTo, last?.order, this.on.now())
        })
        await this.on.unsynced('settings', address)
      })
    }
  }

  private async lastOfOthers(upTo: Message): Promise<Message | undefined> {
    const { chat, at, order } = upTo
    return this.on.db.messages
      .where('[chat+at+order]')
      .between([chat, -Infinity, ''], [chat, at, order], true, true)
      .reverse()
      .filter((message) => !message.mine && message.kind === 'text')
      .first()
  }
}

function isMessage({ what }: { what: OutgoingContent }): boolean {
  return what.type === 'message'
}

/** The place up to which a chat is cleared. It is never in the future, or new messages would not appear. */
function clearedUpTo(before: string, last: string | undefined, now: Moment): string {
  const upTo = [last ?? '', orderAt(now)].sort()[0] ?? ''
  return upTo > before ? upTo : before
}

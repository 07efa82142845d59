/**
 * What comes, by whatever way: live, as a copy from another device of mine, from the archive. One path for all, so that
 * what comes twice or late ends the same. Decrypting comes first, one after the other; then all is stored at once with
 * the place in the archive. If the device dies in between, the message is asked for again.
 */
import type { Crypto, Opened } from '../crypto/crypto'
import type { Database } from '../local/database'
import { addChange, addMessage, changeKey, chatOf, updateChat } from '../local/history'
import { messageKey, orderAt, orderOf } from '../local/order'
import type { Address, Change, Message, Moment } from '../local/types'
import { meet } from './contacts'
import { type Came, unquoted } from './stanzas'

export interface Events {
  now(): Moment
  /** Messages of others that are new, when they are stored. */
  news(messages: Message[]): void
  /** Something waits to be sent, like a receipt. */
  queued(): void
  /** Somebody's device asks for a message of mine. */
  asked(from: Address, device: number, id: string): Promise<void>
  /** Somebody wrote who is not known yet. */
  stranger(address: Address): void
}

/** What was made of a message before it is stored; undefined: it is known already. */
interface Ready {
  came: Came
  opened: Opened | undefined
  known: boolean
}

export class Incoming {
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly crypto: Crypto,
    private readonly events: Events
  ) {}

  /** Takes messages in, in this order; `raw`: those of the inbox that are done with then. */
  async take(all: Came[], raw: string[] = []): Promise<void> {
    const ready: Ready[] = []
    const handled = new Set<string>()
    for (const came of all) {
      const key = this.keyOf(came)
      const known = handled.has(key) || (await this.isKnown(came, key))
      handled.add(key)
      const opened =
        came.envelope && !known
          ? await this.crypto.decrypt(came.from, came.envelope, came.resent || came.id)
          : undefined
      ready.push({ came, opened, known })
    }
    const news: Message[] = []
    const strangers = new Set<Address>()
    await this.db.transaction('rw', this.db.historyTables, async () => {
      for (const one of ready) {
        const added = await this.store(one)
        if (added && !added.mine && added.kind !== 'deleted') news.push(added)
        if (added && (await meet(this.db, added.chat))) strangers.add(added.chat)
      }
      await this.advance(all)
      if (raw.length) await this.db.raw.bulkDelete(raw)
    })
    for (const { came, opened } of ready) {
      if (came.resend && opened?.type === 'keys' && opened.trusted) {
        await this.events.asked(came.from, opened.device, came.resend)
      }
    }
    for (const address of strangers) this.events.stranger(address)
    if (news.length) this.events.news(news)
    this.events.queued()
  }

  private keyOf({ chat, from, mine, id }: Came): string {
    return messageKey(chat, from, mine, id)
  }

  private async isKnown(came: Came, key: string): Promise<boolean> {
    if (await this.db.seen.get(key)) return true
    if (came.resent) {
      const message = await this.resentTarget(came)
      return message !== undefined && message.kind !== 'unreadable'
    }
    return (await this.db.messages.get(key)) !== undefined
  }

  private async resentTarget({ chat, from, mine, resent }: Came): Promise<Message | undefined> {
    if (!mine) return this.db.messages.get(messageKey(chat, from, mine, resent))
    return this.db.messages
      .where('id')
      .equals(resent)
      .filter((message) => message.mine)
      .first()
  }

  /** In the transaction. Returns what is new to show. */
  private async store({ came, opened, known }: Ready): Promise<Message | undefined> {
    if (came.error) {
      await this.bounced(came)
      return undefined
    }
    await this.marks(came)
    if (came.mine && came.archive) await this.arrived(came)
    if (came.retracts) await this.retract(came)
    // Asked for again by the encryption; of what has no place of its own, nothing is shown
    if (opened?.type === 'unreadable' && (came.edits || came.reaction || !came.envelope?.payload))
      return undefined
    const text = opened?.type === 'text' ? opened.text : came.text
    const encrypted = opened?.type === 'text' && opened.trusted
    let added: Message | undefined
    if (came.reaction) await this.react(came, text, encrypted)
    else if (came.edits) await this.edit(came, text, encrypted)
    else added = await this.message(came, text, encrypted, opened, known)
    if (came.envelope && !added && !known && opened?.type !== 'unreadable') {
      await this.db.seen.put({ key: this.keyOf(came) })
    }
    if (came.resent && !known) await this.db.seen.put({ key: this.keyOf(came) })
    return added
  }

  private async message(
    came: Came,
    text: string | undefined,
    encrypted: boolean,
    opened: Opened | undefined,
    known: boolean
  ): Promise<Message | undefined> {
    const { archive, timer } = came
    const again = came.resent ? await this.resentTarget(came) : undefined
    const id = came.resent || came.id
    const chat = again?.chat ?? came.chat
    const at = again?.at ?? came.at
    const base: Message = {
      ...{ key: messageKey(chat, came.from, came.mine, id), chat, at, from: came.from, mine: came.mine, id },
      order: again?.order ?? (archive ? orderOf(archive, at) : orderAt(at)),
      ...{ kind: 'text', text: '', progress: came.mine ? 'sent' : 'read', reactions: {}, encrypted }
    }
    if (known) {
      if (archive) await addMessage(this.db, this.me, base)
      return undefined
    }
    if (came.tombstone) {
      if (await this.db.messages.get(base.key)) {
        await this.change('retraction', base.key, came, {})
        return undefined
      }
      return this.add({ ...base, kind: 'deleted' })
    }
    if (opened?.type === 'unreadable' || opened?.type === 'again') {
      if (!came.envelope?.payload) return undefined
      if (opened.type === 'again') await this.askAgain(came)
      return this.add({ ...base, kind: 'unreadable' })
    }
    if (text === undefined) {
      if (timer >= 0 && !came.envelope) await this.timer(base, timer)
      return undefined
    }
    if (timer > 0 && at + timer * 1000 <= this.events.now()) return undefined
    const { text: rest, quote } = came.reply ? unquoted(text, came.quoted) : { text, quote: '' }
    const original = came.reply && (await this.named(chat, came.reply.from, came.reply.id))
    const added = await this.add({
      ...base,
      text: rest,
      ...(came.reply && {
        reply: { id: came.reply.id, from: original?.from ?? came.reply.from, text: original?.text ?? quote }
      }),
      ...(came.forwarded && { forwarded: true }),
      ...(timer > 0 && { expires: at + timer * 1000 })
    })
    if (added && !came.mine && came.wantsReceipt) await this.owe(added)
    return added
  }

  private async add(message: Message): Promise<Message | undefined> {
    const before = await this.db.messages.get(message.key)
    const fresh = await addMessage(this.db, this.me, message)
    return fresh || before?.kind === 'unreadable' ? message : undefined
  }

  /** What I have sent is in the archive: it does not wait any more, even if the acknowledgement was lost. */
  private async arrived({ chat, id }: Came): Promise<void> {
    const waiting = this.db.outgoing.where('id').equals(id)
    await waiting.filter(({ to }) => to === chat).delete()
  }

  /** Receipts (XEP-0184) and markers (XEP-0333): theirs on mine, and those of my other devices on theirs. */
  private async marks(came: Came): Promise<void> {
    const { chat, me } = { chat: came.chat, me: this.me }
    for (const kind of ['received', 'displayed'] as const) {
      const id = came[kind]
      if (!id) continue
      const target = came.mine ? messageKey(chat, chat, false, id) : messageKey(chat, me, true, id)
      await this.change(kind, target, came, {})
      if (came.mine) {
        await this.db.outgoing
          .where('to')
          .equals(chat)
          .filter(({ what }) => what.type === 'marker' && what.of === id && what.kind === kind)
          .delete()
      }
    }
  }

  private async retract(came: Came): Promise<void> {
    const { chat, from, mine, retracts } = came
    await this.change('retraction', messageKey(chat, from, mine, retracts), came, {})
    const reactions = await this.db.changes.where('id').equals(retracts).toArray()
    for (const { kind, target } of reactions) {
      if (kind === 'reaction' && target.startsWith(`${chat} `)) {
        await this.change('reaction', target, came, { id: retracts, emojis: [] })
      }
    }
  }

  private async edit(came: Came, text: string | undefined, encrypted: boolean): Promise<void> {
    if (text === undefined) return
    const target = messageKey(came.chat, came.from, came.mine, came.edits)
    const { text: rest } = came.reply ? unquoted(text, came.quoted) : { text }
    await this.change('edit', target, came, { text: rest, id: came.id }, encrypted)
  }

  private async react(came: Came, text: string | undefined, encrypted: boolean): Promise<void> {
    const { chat, from, mine, reaction, reply } = came
    if (!reaction) return
    const emojis = reaction.emojis ?? text?.split(/\s+/).filter(Boolean)
    if (!emojis) return
    const id = came.edits || came.id
    const taken = await this.db.changes.get(changeKey('retraction', messageKey(chat, from, mine, id), from))
    const content = taken ? { id, emojis: [], order: taken.order } : { id, emojis: emojis.slice(0, 20) }
    const targets = [messageKey(chat, this.me, true, reaction.of), messageKey(chat, chat, false, reaction.of)]
    const author = reply ? targets[reply.from === this.me ? 0 : 1] : undefined
    const there = (await this.db.messages.bulkGet(targets)).find((one) => one !== undefined)?.key
    for (const target of author ? [author] : there ? [there] : targets) {
      await this.change('reaction', target, came, content, encrypted)
    }
  }

  /** The sender has set after which time messages of this chat go. */
  private async timer(base: Message, seconds: number): Promise<void> {
    const chat = await chatOf(this.db, base.chat)
    if (chat.disappears === seconds) return
    await updateChat(this.db, base.chat, { disappears: seconds })
    await this.add({ ...base, kind: 'notice', text: `disappears ${seconds}` })
  }

  private async change(
    kind: Change['kind'],
    target: string,
    { from, archive, at }: Came,
    content: Partial<Pick<Change, 'text' | 'emojis' | 'id' | 'order'>>,
    encrypted = false
  ): Promise<void> {
    const order = archive ? orderOf(archive, at) : orderAt(at)
    const key = changeKey(kind, target, from)
    await addChange(this.db, this.me, { key, target, kind, from, order, encrypted, ...content })
  }

  private async owe({ chat, from, id, key }: Message): Promise<void> {
    if (await this.db.changes.get(changeKey('received', key, this.me))) return
    await this.db.outgoing.add({
      to: chat,
      id: `received-${from}-${id}`.slice(0, 200),
      what: { type: 'marker', of: id, kind: 'received' },
      tries: 0
    })
  }

  private async askAgain({ from, envelope, id }: Came): Promise<void> {
    if (!envelope) return
    const what = { type: 'resend' as const, of: id, device: envelope.sender }
    await this.db.outgoing.add({ to: from, id: crypto.randomUUID(), what, tries: 0 })
  }

  private async named(chat: Address, from: Address, id: string): Promise<Message | undefined> {
    return this.db.messages.get(messageKey(chat, from, from === this.me, id))
  }

  /** A message of mine came back. What was archived before it came back stays as it is elsewhere. */
  private async bounced({ chat, id, mine }: Came): Promise<void> {
    if (mine) return
    const message = await this.db.messages.get(messageKey(chat, this.me, true, id))
    if (message && (message.progress === 'waiting' || message.progress === 'sent')) {
      await this.db.messages.update(message.key, { progress: 'failed' })
    }
  }

  private async advance(all: Came[]): Promise<void> {
    const newest = all.reduce((last, { archive }) => (archive > last ? archive : last), '')
    if (newest && newest > ((await this.db.fact<string>('archive.last')) ?? '')) {
      await this.db.setFact('archive.last', newest)
    }
  }
}

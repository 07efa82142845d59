/**
 * Handles what a message says about another one, within one transaction: edits (XEP-0308), reactions, retractions
 * (XEP-0424), pins, receipts and quotes.
 */
import type { Opened } from '../crypto/crypto'
import { addAlias } from '../local/aliases'
import { addChange, changeKey, placeChange } from '../local/changes'
import { mayChange } from '../local/edits'
import { keysNamed, resolve } from '../local/naming'
import { messageKey, orderAt, orderOf } from '../local/order'
import { withoutText } from '../local/quotes'
import { emojisIn } from '../local/reactions'
import type { Address, Change, Message, Moment, Reply } from '../local/types'
import { isBlank } from '../local/words'
import type { Work } from '../local/work'
import type { ReceivedMessage } from '../xmpp/received'
import { pinIn } from '../xmpp/sealed'
import { answerIn, keyOf } from './decryption'
import { inGroup, keep } from './group-references'
import type { Receipts } from './receipts'
import { named } from './same-id'

/** `Message.order`: from the archive id, else from the time. */
export function orderOfEntry({ archive, at }: Pick<ReceivedMessage, 'archive' | 'at'>): string {
  return archive ? orderOf(archive, at) : orderAt(at)
}

export class References {
  /** `add` stores a message and returns it if it is new; `now` and `expiryTime` as in `IncomingEvents`. */
  constructor(
    private readonly me: Address,
    private readonly work: Work,
    private readonly receipts: Receipts,
    private readonly add: (message: Message) => Promise<Message | undefined>,
    private readonly now: Moment,
    private readonly expiryTime: Moment
  ) {}

  /**
   * Receipts (XEP-0184) and markers (XEP-0333): from others for the user's messages, or from the user's other devices
   * for theirs.
   */
  async marks(incoming: ReceivedMessage): Promise<void> {
    const { chat, me } = { chat: incoming.chat, me: this.me }
    for (const kind of ['received', 'displayed'] as const) {
      const id = incoming[kind]
      if (!id) continue
      const target = incoming.mine ? messageKey(chat, chat, false, id) : messageKey(chat, me, true, id)
      await this.change(kind, await this.meant(target, incoming), incoming, {})
      if (incoming.mine) await this.receipts.sentElsewhere(chat, kind, id)
    }
  }

  async retract(incoming: ReceivedMessage): Promise<void> {
    const { chat, from, mine, retracts } = incoming
    if (incoming.group) {
      const message = await inGroup(this.work, chat, retracts, from)
      if (message) await this.change('retraction', message.key, incoming, {})
      else await keep(this.work, incoming, retracts, 'retraction', {})
      return
    }
    const target = await this.meant(messageKey(chat, from, mine, retracts), incoming)
    await this.change('retraction', target, incoming, {})
    await this.work.flush()
    const reactions = await this.work.db.changes.where('id').equals(retracts).toArray()
    for (const { kind, target } of reactions) {
      if (kind === 'reaction' && target.startsWith(`${chat} `)) {
        await this.change('reaction', target, incoming, { id: retracts, emojis: [] })
      }
    }
  }

  /**
   * Whether a message is to be handled as a correction. One that may not change its target becomes a separate message,
   * so that its text is not lost.
   */
  async corrects(incoming: ReceivedMessage, encrypted: boolean): Promise<boolean> {
    if (!incoming.edits) return false
    const target = await this.corrected(incoming)
    const message = await this.work.message(target)
    if (target === keyOf(incoming)) return false
    if (!message || message.standsIn || message.kind !== 'text') return true
    return mayChange(message, { encrypted, order: orderOfEntry(incoming) })
  }

  /** Whether it corrects an unreadable message, which is shown as such already. */
  async correctsUnreadable(incoming: ReceivedMessage): Promise<boolean> {
    if (!incoming.edits) return false
    const target = await this.corrected(incoming)
    return target !== keyOf(incoming) && (await this.work.message(target))?.kind === 'unreadable'
  }

  corrected(incoming: ReceivedMessage): Promise<string> {
    const { chat, from, mine, edits } = incoming
    return this.meant(messageKey(chat, from, mine, edits), incoming)
  }

  /**
   * The key of the message that an id refers to: the one that was corrected by it, or the last one that had the id
   * then.
   */
  async meant(key: string, incoming: ReceivedMessage): Promise<string> {
    return named(this.work, await resolve(this.work, key), orderOfEntry(incoming))
  }

  /** Content for this app only (`sealed.ts`). It counts if the sender's device is trusted. */
  async sealed(incoming: ReceivedMessage, opened: Opened | undefined, known: boolean): Promise<void> {
    if (known || !opened || opened.type === 'unreadable') return
    this.work.setSeen(keyOf(incoming))
    const pin =
      opened.type === 'text' && opened.trusted && pinIn(opened.text, incoming.chat, this.me, incoming.at)
    if (!pin) return
    const id = incoming.resent || incoming.id
    const before = await this.work.message(pin.target)
    await this.change('pin', pin.target, incoming, { until: pin.until, id }, true)
    const after = await this.work.message(pin.target)
    if (after === before || !pin.until || pin.until <= this.now) return
    const { at, chat, from, mine } = incoming
    const order = orderOfEntry(incoming)
    const base = { chat, at, order, from, mine, id: `pin-${id}`, kind: 'notice' as const, text: 'pinned' }
    const key = messageKey(chat, from, mine, base.id)
    await this.add({ ...base, key, progress: mine ? 'sent' : 'read', reactions: {}, encrypted: true })
  }

  /** Returns the new message, if the correction's target is not stored and its text takes the place of that. */
  async edit(
    incoming: ReceivedMessage,
    key: string,
    text: string | undefined,
    encrypted: boolean,
    known: boolean
  ): Promise<Message | undefined> {
    if (text === undefined || known) return undefined
    const { chat, from, mine, at, id, timer } = incoming
    if (isBlank(text)) return undefined
    const { text: rest } = answerIn(incoming, text)
    const target = await this.corrected(incoming)
    await addAlias(this.work, this.me, key, target)
    const unstyled = incoming.unstyled && { unstyled: true }
    const order = orderOfEntry(incoming)
    await this.change('edit', target, incoming, { text: rest, id, order, ...unstyled }, encrypted)
    this.work.setSeen(key, incoming.archive)
    const there = await this.work.message(target)
    if (there && there.kind !== 'unreadable') return undefined
    if (await this.work.change(changeKey('retraction', target, from), target)) return undefined
    if (timer > 0 && at + timer * 1000 <= this.expiryTime) return undefined
    return this.add({
      ...{
        key: target,
        chat,
        from,
        mine,
        id: incoming.edits,
        at,
        order,
        kind: 'text',
        text: rest,
        ...unstyled
      },
      ...{ progress: mine ? 'sent' : 'read', reactions: {}, encrypted, standsIn: true },
      ...(timer > 0 && { expires: at + timer * 1000 })
    })
  }

  /**
   * The quote of a reply: the stored text of the original, or none if that was deleted. If it is not stored, what the
   * reply claims.
   */
  async quote(incoming: ReceivedMessage, chat: Address, text: string): Promise<Reply | undefined> {
    const { reply } = incoming
    if (!reply) return undefined
    if (incoming.group) {
      const original = await inGroup(this.work, chat, reply.id)
      if (!original) return { id: reply.id, from: reply.from, text, claimed: true }
      const named: Reply = { id: original.id, from: original.from, text: original.text }
      return original.kind === 'deleted'
        ? withoutText(named)
        : original.kind === 'text'
          ? named
          : { ...named, text }
    }
    const authors = [reply.from, reply.from === this.me ? chat : this.me]
    for (const from of authors) {
      const key = await this.meant(messageKey(chat, from, from === this.me, reply.id), incoming)
      const quoted: Reply = { id: reply.id, from, text }
      const original = await this.work.message(key)
      const gone = await this.work.change(changeKey('retraction', key, from), key)
      if (gone || original?.kind === 'deleted') return withoutText(quoted)
      if (original?.kind === 'text') return { ...quoted, text: original.text }
    }
    // The claimed author may be anybody, but only two people are in this chat
    const from = reply.from === this.me ? this.me : chat
    return { id: reply.id, from, text, ...(!incoming.mine && { claimed: true }) }
  }

  async react(incoming: ReceivedMessage, text: string | undefined, encrypted: boolean): Promise<void> {
    const { chat, from, mine, reaction, reply } = incoming
    if (!reaction) return
    const emojis = reaction.emojis ?? text?.split(/\s+/).filter(Boolean)
    if (incoming.group) {
      const target = await inGroup(this.work, chat, reaction.of)
      if (!target) {
        const content = { id: incoming.edits || incoming.id, emojis: emojisIn(emojis ?? []), encrypted }
        if (emojis) await keep(this.work, incoming, reaction.of, 'reaction', content)
        return
      }
      if (mine) {
        const order = orderOfEntry(incoming)
        await placeChange(this.work, this.me, 'reaction', target.key, incoming.id, order)
      }
      if (!emojis) return
      const content = { id: incoming.edits || incoming.id, emojis: emojisIn(emojis) }
      await this.change('reaction', target.key, incoming, content, encrypted)
      return
    }
    if (mine && incoming.archive) {
      for (const key of keysNamed(this.me, chat, reaction.of)) {
        const target = await this.meant(key, incoming)
        await placeChange(this.work, this.me, 'reaction', target, incoming.id, orderOfEntry(incoming))
      }
    }
    if (!emojis) return
    const id = incoming.edits || incoming.id
    const first = messageKey(chat, from, mine, id)
    const taken = await this.work.change(changeKey('retraction', first, from), first)
    const content = taken ? { id, emojis: [], order: taken.order } : { id, emojis: emojisIn(emojis) }
    const targets = await Promise.all(
      keysNamed(this.me, chat, reaction.of).map((key) => this.meant(key, incoming))
    )
    const author = reply ? targets[reply.from === this.me ? 0 : 1] : undefined
    const messages = await Promise.all(targets.map((target) => this.work.message(target)))
    const there = messages.find((one) => one !== undefined)?.key
    for (const target of author ? [author] : there ? [there] : targets) {
      await this.change('reaction', target, incoming, content, encrypted)
    }
  }

  /** Stores a change of `target` that the message makes. */
  async change(
    kind: Change['kind'],
    target: string,
    { from, archive, at }: ReceivedMessage,
    content: Partial<Pick<Change, 'text' | 'unstyled' | 'until' | 'emojis' | 'id' | 'order'>>,
    encrypted = false
  ): Promise<void> {
    await this.work.keepAlive()
    const order = orderOfEntry({ archive, at })
    const key = changeKey(kind, target, from)
    await addChange(this.work, this.me, { key, target, kind, from, order, encrypted, ...content })
  }
}

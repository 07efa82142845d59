/** Stores received messages, in order, within one transaction. */
import type { Opened } from '../crypto/crypto'
import { isAccepted } from '../local/accepted'
import { isGroup, isServer } from '../local/address'
import { fromAesgcm } from '../local/aesgcm'
import { placeChange } from '../local/changes'
import { updateChat } from '../local/chats'
import type { Database } from '../local/database'
import type { Described } from '../local/descriptor'
import { addMessage, settle } from '../local/messages'
import { isWaiting, messageKey } from '../local/order'
import type { Address, Message, Moment } from '../local/types'
import { isBlank } from '../local/words'
import type { Work } from '../local/work'
import type { ReceivedMessage } from '../xmpp/received'
import { type Extra, extraOf } from '../local/mentions'
import { answerIn, keyOf, type Ready, resentTarget } from './decryption'
import { logCall } from './call-log'
import { adopt, inGroup, moderate } from './group-references'
import { extraActs, isForMe, notice } from './group-storing'
import type { Groups } from './groups'
import { endKeyless } from './keyless'
import { type AsideEvents, takeAside } from './media-notes'
import { Receipts } from './receipts'
import { orderOfEntry, References } from './references'

/** What a message of another app carries: an encrypted file that its text names, or one that is not encrypted. */
function carried({ media, envelope }: ReceivedMessage, text: string | undefined): Described | undefined {
  const found = (text !== undefined && fromAesgcm(text)) || (envelope ? undefined : media)
  return found && { media: found, caption: '' }
}

/** The name of a fact: a message of a group that can't be read and has no row, such as a reaction. */
function brokenFact(from: Address, id: string): string {
  return `broken ${from} ${id}`
}

export class Storing {
  private readonly receipts: Receipts
  private readonly references: References
  private readonly accepted = new Map<Address, boolean>()

  /** `now` and `expiryTime` as in `IncomingEvents`. */
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly work: Work,
    private readonly now: Moment,
    private readonly expiryTime: Moment,
    private readonly groups: Pick<Groups, 'told'>,
    private readonly events: AsideEvents
  ) {
    this.receipts = new Receipts(db, me, work)
    this.references = new References(me, work, this.receipts, (message) => this.add(message), now, expiryTime)
  }

  /** To be called after the last message. */
  finish(): Promise<void> {
    return this.receipts.queue()
  }

  /** Returns the message if there is something new to show. */
  async take(ready: Ready): Promise<Message | undefined> {
    const { incoming, key, opened, known, asked = false, retry } = ready
    await this.work.keepAlive()
    if (incoming.again && incoming.resent) {
      const original = await this.original(incoming)
      this.work.setSeen(key)
      if (!original) return undefined
      return this.take({ incoming: original, key: keyOf(original), opened, known: false })
    }
    if (incoming.change) {
      const { change, number } = incoming.change
      await this.groups.told(this.work, incoming.chat, change, number, incoming.archive)
      await notice(incoming, (message) => this.add(message))
      return undefined
    }
    if (incoming.moderated) {
      await moderate(this.work, this.me, incoming)
      return undefined
    }
    if (retry !== undefined) this.work.setSeen(retry)
    if (incoming.error) {
      await this.receipts.bounced(incoming)
      return undefined
    }
    if (incoming.call) {
      const added = await logCall(this.work, this.me, incoming, this.now, (message) => this.add(message))
      this.work.setSeen(key, incoming.archive)
      return added
    }
    if (incoming.envelope?.payload && !incoming.mine) await this.hasKeys(incoming)
    await this.references.marks(incoming)
    if (incoming.mine && (incoming.archive || incoming.group)) await this.receipts.archived(incoming)
    if (known && incoming.mine && incoming.archive && incoming.edits) {
      // Before `corrects` is asked: a known message is not decrypted again
      const target = await this.references.corrected(incoming)
      await placeChange(this.work, this.me, 'edit', target, incoming.id, orderOfEntry(incoming))
    }
    if (incoming.retracts) await this.references.retract(incoming)
    if (incoming.sealed) {
      await this.references.sealed(incoming, opened, known)
      return undefined
    }
    // Unreadable messages that would not appear by themselves; the encryption has requested them again
    if (
      opened?.type === 'unreadable' &&
      (incoming.edits || incoming.reaction || !incoming.envelope?.payload)
    ) {
      const { group, chat, from, id, archive, at } = incoming
      // Nothing is shown for it, but it may come again
      if (group && opened.asked) await this.db.setFact(brokenFact(from, id), { chat, archive, at })
      return undefined
    }
    if (incoming.past) return this.past(incoming, key, opened, known)
    const text = opened?.type === 'text' ? opened.text : incoming.text
    const encrypted = opened?.type === 'text' && opened.trusted
    const extra = opened?.type === 'text' && opened.trusted ? extraOf(opened.extra) : {}
    if (!known && (await takeAside(this.work, this.me, incoming, extra, this.events))) {
      this.work.setSeen(key, incoming.archive)
      return undefined
    }
    if (incoming.group && !known) {
      const done = await extraActs(this.work, this.me, incoming, extra, this.now, (one) => this.add(one))
      if (done) {
        this.work.setSeen(key, incoming.archive)
        return undefined
      }
    }
    let added: Message | undefined
    if (incoming.reaction) await this.references.react(incoming, text, encrypted)
    else if (incoming.method !== undefined && (await this.references.correctsUnreadable(incoming)))
      this.work.setSeen(key)
    else if (incoming.method === undefined && (await this.references.corrects(incoming, encrypted)))
      added = await this.references.edit(incoming, key, extra.media?.caption ?? text, encrypted, known)
    else added = await this.message(incoming, key, text, encrypted, opened, known, asked, extra)
    if (incoming.envelope && !added && !known && opened?.type !== 'unreadable') {
      this.work.setSeen(key, incoming.archive)
    }
    if (incoming.resent && !known) this.work.setSeen(keyOf(incoming))
    return added
  }

  /** A message from before the user came, unless it is here already. */
  private async past(
    incoming: ReceivedMessage,
    key: string,
    opened: Opened | undefined,
    known: boolean
  ): Promise<Message | undefined> {
    if (known || opened?.type !== 'text' || !opened.trusted) return undefined
    const { chat, archive } = incoming
    const there = await inGroup(this.work, chat, archive)
    if (there && there.kind !== 'unreadable') {
      this.work.setSeen(key)
      return undefined
    }
    const extra = extraOf(opened.extra)
    const told = { ...incoming, id: there?.id ?? extra.original ?? incoming.id }
    const { firstOrder, unread, readTo } = await this.work.chat(chat)
    // Nobody has to read what was said before they came
    if (archive > readTo && (!unread || archive < firstOrder))
      await updateChat(this.work, chat, { readTo: archive })
    const place = there?.key ?? keyOf(told)
    if (place !== key) this.work.setSeen(key)
    await this.message(told, place, opened.text, true, opened, false, false, extra)
    return undefined
  }

  /** They write encrypted, so messages to them are encrypted, whatever the user has agreed to before. */
  private async hasKeys({ chat, at }: ReceivedMessage): Promise<void> {
    const { keyless } = await this.work.chat(chat)
    if (keyless && at > keyless.since) await endKeyless(this.work, this.me, chat, this.now)
  }

  private async message(
    incoming: ReceivedMessage,
    key: string,
    text: string | undefined,
    encrypted: boolean,
    opened: Opened | undefined,
    known: boolean,
    asked: boolean,
    extra: Extra
  ): Promise<Message | undefined> {
    const { archive, timer } = incoming
    const again = incoming.resent ? await resentTarget(this.db, incoming) : undefined
    const id = incoming.resent || incoming.id
    const chat = again?.chat ?? incoming.chat
    const at = again?.at ?? incoming.at
    const untrusted = opened?.type === 'text' && !opened.trusted && { untrusted: opened.device }
    const base: Message = {
      ...{
        key: again?.key ?? (incoming.resent ? messageKey(chat, incoming.from, incoming.mine, id) : key),
        chat,
        at,
        id
      },
      ...{ from: incoming.from, mine: incoming.mine, ...(archive && !incoming.resent && { archive }) },
      order: again?.order ?? orderOfEntry({ archive, at }),
      ...{ kind: 'text', text: '', progress: incoming.mine ? 'sent' : 'read', reactions: {}, encrypted },
      ...untrusted
    }
    const setting =
      !incoming.group &&
      text === undefined &&
      timer >= 0 &&
      !incoming.envelope &&
      incoming.method === undefined
    if (known) {
      // The archive tells the position of a message of the user
      if (setting && incoming.mine && archive) await this.timer(base, timer)
      const there = archive ? await this.work.message(base.key) : undefined
      if (!there) return undefined
      if (there.archive === undefined) this.work.setMessage({ ...there, archive })
      if (there.mine || there.archive === undefined) await settle(this.work, there, base)
      return undefined
    }
    if (incoming.tombstone) {
      if (await this.work.message(base.key)) {
        await this.references.change('retraction', base.key, incoming, {})
        return undefined
      }
      // A message that was sent and deleted before this device existed leaves no trace here
      if (at < ((await this.db.fact<Moment>('since')) ?? 0)) {
        this.work.setSeen(base.key)
        return undefined
      }
      return this.add({ ...base, kind: 'deleted', encrypted: true })
    }
    if (opened?.type === 'unreadable' || opened?.type === 'again') {
      if (!incoming.envelope?.payload) return undefined
      return this.add({ ...base, kind: 'unreadable', asked: opened.type === 'again' ? asked : opened.asked })
    }
    if (incoming.method !== undefined)
      return this.add({ ...base, kind: 'unreadable', method: incoming.method })
    const described = extra.media ?? carried(incoming, text)
    if (text === undefined || (isBlank(text) && !described)) {
      if (setting) await this.timer(base, timer)
      return undefined
    }
    if (timer > 0 && at + timer * 1000 <= this.expiryTime) return undefined
    const { text: rest, quote } = described
      ? { text: described.caption, quote: '' }
      : answerIn(incoming, text)
    const reply = await this.references.quote(incoming, chat, quote)
    const forMe =
      incoming.group && !incoming.mine && !incoming.past && isForMe(this.me, extra.mentions, reply)
    const added = await this.add({
      ...base,
      text: rest,
      ...(reply && { reply }),
      ...(incoming.forwarded && { forwarded: true }),
      ...(incoming.group && extra.mentions && { mentions: extra.mentions }),
      ...(forMe && { forMe: true }),
      ...(incoming.past && { passedBy: incoming.sender }),
      ...(incoming.group && extra.poll && { poll: extra.poll }),
      ...(described && { media: described.media }),
      ...(incoming.announcement && isServer(incoming.from, this.me) && { announcement: true }),
      ...(incoming.unstyled && { unstyled: true }),
      ...(timer > 0 && { expires: at + timer * 1000 })
    })
    if (incoming.group) {
      if (added && !incoming.mine && archive && !incoming.past) await this.receipts.owe(added, archive)
      return added
    }
    const asks = added && !incoming.mine && incoming.wantsReceipt
    if (asks && (await this.isAccepted(chat))) await this.receipts.owe(added, id)
    return added
  }

  private async add(message: Message): Promise<Message | undefined> {
    const { chat, from, mine, id } = message
    const whole = message.kind === 'text' || message.kind === 'deleted'
    if (whole && isGroup(chat, this.me)) await adopt(this.work, this.me, message)
    const plain = messageKey(chat, from, mine, id)
    const first = message.key === plain ? undefined : await this.work.message(plain)
    if (first && !first.twins) this.work.setMessage({ ...first, twins: true })
    const before = await this.work.message(message.key)
    const fresh = await addMessage(this.work, this.me, message)
    return fresh || before?.kind === 'unreadable' || before?.standsIn ? message : undefined
  }

  /** The message of a group that is sent again: only if it was missing here. */
  private async original(incoming: ReceivedMessage): Promise<ReceivedMessage | undefined> {
    const { again: chat, from, mine, resent } = incoming
    const missing = await this.work.message(messageKey(chat, from, mine, resent))
    const fact = brokenFact(from, resent)
    const place =
      missing?.kind === 'unreadable'
        ? { archive: missing.archive ?? '', at: missing.at }
        : await this.db.fact<{ chat: Address; archive: string; at: Moment }>(fact)
    if (!place || ('chat' in place && place.chat !== chat)) return undefined
    if (!missing) await this.db.facts.delete(fact)
    const { archive, at } = place
    return { ...incoming, chat, group: true, again: '', resent: '', id: resent, archive, at }
  }

  /** Cached for each chat. */
  private async isAccepted(address: Address): Promise<boolean> {
    let known = this.accepted.get(address)
    if (known === undefined) {
      await this.work.flush()
      known = await isAccepted(this.db, this.me, address)
      this.accepted.set(address, known)
    }
    return known
  }

  /** The sender has changed the timer of the chat. */
  private async timer(base: Message, seconds: number): Promise<void> {
    if (!base.mine && !(await this.isAccepted(base.chat))) return
    const chat = await this.work.chat(base.chat)
    if (isWaiting(chat.timerOrder)) {
      const newer = base.order > (chat.timerMeanwhile?.order ?? '')
      if (newer) await updateChat(this.work, base.chat, { timerMeanwhile: { seconds, order: base.order } })
      return
    }
    if (base.order <= chat.timerOrder) return
    await updateChat(this.work, base.chat, { disappears: seconds, timerOrder: base.order })
    if (chat.disappears === seconds) return
    await this.add({ ...base, kind: 'notice', text: `disappears ${seconds}` })
  }
}

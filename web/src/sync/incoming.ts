/**
 * What comes, by whatever way: live, as a copy from another device of mine, from the archive. One path for all, so that
 * what comes twice or late ends the same. Decrypting comes first; then messages, the steps of the ratchets that opened them
 * and the place in the archive are stored at once.
 */
import type { Crypto, Opened } from '../crypto/crypto'
import { isAccepted } from '../local/accepted'
import type { Database } from '../local/database'
import { mayChange } from '../local/edits'
import { addChange, changeKey, placeChange } from '../local/changes'
import { placeTimer, updateChat } from '../local/chats'
import { addMessage, settle } from '../local/messages'
import type { Keybook } from '../local/keybook'
import { addAlias } from '../local/aliases'
import { resolve } from '../local/naming'
import { isWaiting, messageKey, orderAt, orderOf, twinKey } from '../local/order'
import { chosenName } from '../local/names'
import { withoutText } from '../local/quotes'
import { emojisIn } from '../local/reactions'
import { rowsOf } from '../local/rows'
import { isBlank } from '../local/words'
import type { Address, Change, Message, Moment, Outgoing, Reply } from '../local/types'
import { Work } from '../local/work'
import { meet } from './contacts'
import { pinIn } from './sealed'
import { type Came, unquoted } from './stanzas'
import { type First, firstOf, mayDiffer, named, twinsOf } from './twins'

export interface Events {
  now(): Moment
  /** What has its time and is over by then is over. */
  passed(): Moment
  /** Messages of others that are new, when they are stored. */
  news(messages: Message[]): void
  /** Something waits to be sent, like a receipt. */
  queued(): void
  /** Somebody's device asks for a message of mine. */
  asked(from: Address, device: number, id: string, trusted: boolean): Promise<unknown>
  /** Somebody wrote who is not known yet. */
  stranger(address: Address): void
}

/** What was made of a message before it is stored; undefined: it is known already. */
interface Ready {
  came: Came
  /** Of the message. */
  key: string
  opened: Opened | undefined
  known: boolean
  /** Its device was asked for it, as it was read before and is not here. */
  asked?: boolean
  /** The key of its entry, of what was written before by another. */
  retry?: string
}

export class Incoming {
  private saidOf: Set<string> | undefined

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly crypto: Crypto,
    private readonly keybook: Keybook,
    private readonly events: Events
  ) {}

  /** Takes messages in, in this order; `raw`: those of the inbox that are done with then. */
  async take(all: Came[], raw: string[] = []): Promise<void> {
    const absent = new Set<string>()
    const ready = await this.open(all, absent)
    const early = await this.early()
    for (const key of absent) if (early.has(key)) absent.delete(key)
    const news: Message[] = []
    const strangers = new Set<Address>()
    const written = new Set<Address>()
    const committed = await Work.run(this.db, async (work) => {
      const store = new Storing(this.db, this.me, work, this.events.now(), this.events.passed())
      work.missing(absent)
      await work.fetch([...new Set(all.flatMap((came) => this.targets(came)))])
      for (const one of ready) {
        const added = await store.take(one)
        if (added && !added.mine && added.kind !== 'deleted' && added.kind !== 'unreadable') news.push(added)
        if (added) strangers.add(added.chat)
        if (added?.mine) written.add(added.chat)
      }
      await store.finish()
      for (const target of work.saidOf) early.add(target)
      for (const address of strangers) if (!(await meet(this.db, address))) strangers.delete(address)
      await this.names(all)
      await this.advance(all)
      if (raw.length) await this.db.raw.bulkDelete(raw)
      return this.keybook.write(
        ready.flatMap(({ opened }) => (opened?.type === 'text' ? [opened.opening] : []))
      )
    })
    committed()
    for (const { came, opened } of ready) {
      if (came.resend && opened?.type === 'keys') {
        await this.events.asked(came.from, opened.device, came.resend, opened.trusted)
      }
    }
    for (const address of written) this.crypto.letIn(address)
    for (const address of strangers) this.events.stranger(address)
    if (news.length) this.events.news(news)
    this.events.queued()
  }

  /** Something was said of these messages that did not come by here. */
  said(targets: Iterable<string>): void {
    for (const target of targets) this.saidOf?.add(target)
  }

  /** Decrypts what is not known yet: for each sender in order, and senders beside each other. */
  private async open(all: Came[], absent: Set<string>): Promise<Ready[]> {
    const keys = all.map((came) => keyOf(came))
    const [messages, seen] = await Promise.all([rowsOf(this.db.messages, keys), rowsOf(this.db.seen, keys)])
    for (const [at, key] of keys.entries()) if (!messages[at] && !seen[at]) absent.add(key)
    const handled = new Map<string, Promise<Ready>[]>()
    const senders = new Map<Address, Promise<unknown>>()
    /** In the order in which its sender's messages came. */
    const decrypt = (came: Came): Promise<Opened | undefined> => {
      const { envelope, from } = came
      if (!envelope) return Promise.resolve(undefined)
      const before = senders.get(from) ?? Promise.resolve()
      const opening = before.then(() => {
        const sent = came.resent ? undefined : came.at
        return this.crypto.decrypt(from, envelope, came.resent || came.id, sent)
      })
      senders.set(from, opening)
      return opening
    }
    return Promise.all(
      all.map((came, at): Promise<Ready> => {
        const key = keys[at] ?? ''
        const earlier = handled.get(key) ?? []
        const ready = (async (): Promise<Ready> => {
          const there = (came.resent ? await resentTarget(this.db, came) : messages[at]) as
            Message | undefined
          const missing = there?.standsIn || (came.resent && there?.kind === 'unreadable')
          const known = earlier.length > 0 || seen[at] !== undefined || (there !== undefined && !missing)
          if (!known) {
            const opened = await decrypt(came)
            const asked = opened?.type === 'again' && (await this.askAgain(came))
            return { came, key, opened, known, asked }
          }
          const archive = there?.archive ?? seen[at]?.archive ?? all[keys.indexOf(key)]?.archive
          if (!mayDiffer(came, archive)) return { came, key, opened: undefined, known }
          const others = await Promise.all(earlier)
          return this.twin(came, key, [firstOf(there), ...others.map(said)], () => decrypt(came))
        })()
        handled.set(key, [...earlier, ready])
        return ready
      })
    )
  }

  private async askAgain({ from, envelope, resent, id }: Came): Promise<boolean> {
    return envelope?.payload !== undefined && this.crypto.askAgain(from, envelope.sender, resent || id)
  }

  /** Something with an id that is known, from another entry of the archive: another message, or a retry. */
  private async twin(
    came: Came,
    key: string,
    known: (First | undefined)[],
    decrypt: () => Promise<Opened | undefined>
  ): Promise<Ready> {
    const own = twinKey(key, came.archive)
    const again = (await this.db.messages.get(own)) ?? (await this.db.seen.get(own))
    if (again) return { came, key: own, opened: undefined, known: true }
    const opened = await decrypt()
    if (came.edits) return { came, key: own, opened, known: false }
    const { text } = said({ came, key, opened, known: false })
    const all = [...known, ...(await twinsOf(this.db, key)).map(firstOf)]
    const retry = came.envelope && opened?.type !== 'text' && opened?.type !== 'unreadable'
    if (retry || (text !== undefined && all.some((one) => one?.text === text))) {
      return { came, key, opened: undefined, known: true, retry: own }
    }
    return { came, key: own, opened, known: false }
  }

  /** Keys of messages that something was said of, perhaps before they came. Others change nothing of them. */
  private async early(): Promise<Set<string>> {
    this.saidOf ??= new Set((await this.db.changes.orderBy('target').uniqueKeys()) as string[])
    return this.saidOf
  }

  /** Keys of the messages that something is said of. */
  private targets(came: Came): string[] {
    const { chat, from, mine } = came
    const own = [came.id, came.edits, came.retracts, came.resent].filter(Boolean)
    const others = [came.received, came.displayed, came.reaction?.of, came.reply?.id].filter((id) => !!id)
    return [
      ...own.map((id) => messageKey(chat, from, mine, id)),
      ...others.flatMap((id) => [
        messageKey(chat, this.me, true, id ?? ''),
        messageKey(chat, chat, false, id ?? '')
      ])
    ]
  }

  /** What they call themselves, of those who do not tell it by their presence: the last that they wrote. */
  private async names(all: Came[]): Promise<void> {
    const last = new Map(all.filter(({ mine, nick }) => !mine && nick).map(({ from, nick }) => [from, nick]))
    for (const [address, nick] of last) {
      const contact = await this.db.contacts.get(address)
      if (!contact || contact.subscription === 'to' || contact.subscription === 'both') continue
      const name = await chosenName(this.db, this.me, address, nick)
      if (name && name !== contact.nick) await this.db.contacts.update(address, { nick: name })
    }
  }

  private async advance(all: Came[]): Promise<void> {
    const newest = all.reduce((last, { archive }) => (archive > last ? archive : last), '')
    if (newest && newest > ((await this.db.fact<string>('archive.heard')) ?? '')) {
      await this.db.setFact('archive.heard', newest)
    }
  }
}

/** What a message says, as it is shown. */
function said({ came, opened }: Ready): First {
  const text = opened?.type === 'text' ? opened.text : came.text
  const shown = text === undefined ? undefined : answerIn(came, text).text
  return { archive: came.archive, text: shown }
}

/** A text without what it quotes. What would be nothing but a quotation is no quotation: its words would be nowhere. */
function answerIn(came: Came, text: string): { text: string; quote: string } {
  const found = came.reply ? unquoted(text, came.quoted) : { text, quote: '' }
  return isBlank(found.text) ? { text, quote: '' } : found
}

function keyOf({ chat, from, mine, id }: Came): string {
  return messageKey(chat, from, mine, id)
}

/** The message that another device was asked for. */
async function resentTarget(db: Database, { chat, from, mine, resent }: Came): Promise<Message | undefined> {
  if (!mine) return db.messages.get(messageKey(chat, from, mine, resent))
  return db.messages
    .where('id')
    .equals(resent)
    .filter((message) => message.mine)
    .first()
}

/** Within the transaction. */
class Storing {
  /** Receipts that are owed: to whom, for which messages. */
  private readonly owed = new Map<Address, string[]>()
  private readonly accepted = new Map<Address, boolean>()

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly work: Work,
    private readonly now: Moment,
    private readonly passed: Moment
  ) {}

  async finish(): Promise<void> {
    const rows = [...this.owed].map(([to, of]): Outgoing => {
      return { to, id: crypto.randomUUID(), what: { type: 'marker', of, kind: 'received' }, tries: 0 }
    })
    if (rows.length) await this.db.outgoing.bulkAdd(rows)
  }

  /** Returns what is new to show. */
  async take({ came, key, opened, known, asked = false, retry }: Ready): Promise<Message | undefined> {
    await this.work.stay()
    if (retry !== undefined) this.work.setSeen(retry)
    if (came.error) {
      await this.bounced(came)
      return undefined
    }
    await this.marks(came)
    if (came.mine && came.archive) await this.arrived(came)
    if (known && came.mine && came.archive && came.edits) {
      // Before it is looked at whether it may: what is known is not decrypted once more
      await placeChange(this.work, this.me, 'edit', await this.corrected(came), came.id, this.orderOf(came))
    }
    if (came.retracts) await this.retract(came)
    if (came.sealed) {
      await this.sealed(came, opened, known)
      return undefined
    }
    // Asked for again by the encryption; of what has no place of its own, nothing is shown
    if (opened?.type === 'unreadable' && (came.edits || came.reaction || !came.envelope?.payload))
      return undefined
    const text = opened?.type === 'text' ? opened.text : came.text
    const encrypted = opened?.type === 'text' && opened.trusted
    let added: Message | undefined
    if (came.reaction) await this.react(came, text, encrypted)
    else if (await this.corrects(came, encrypted)) added = await this.edit(came, key, text, encrypted, known)
    else added = await this.message(came, key, text, encrypted, opened, known, asked)
    if (came.envelope && !added && !known && opened?.type !== 'unreadable') {
      this.work.setSeen(key, came.archive)
    }
    if (came.resent && !known) this.work.setSeen(keyOf(came))
    return added
  }

  private async message(
    came: Came,
    key: string,
    text: string | undefined,
    encrypted: boolean,
    opened: Opened | undefined,
    known: boolean,
    asked: boolean
  ): Promise<Message | undefined> {
    const { archive, timer } = came
    const again = came.resent ? await resentTarget(this.db, came) : undefined
    const id = came.resent || came.id
    const chat = again?.chat ?? came.chat
    const at = again?.at ?? came.at
    const untrusted = opened?.type === 'text' && !opened.trusted && { untrusted: opened.device }
    const base: Message = {
      ...{
        key: again?.key ?? (came.resent ? messageKey(chat, came.from, came.mine, id) : key),
        chat,
        at,
        id
      },
      ...{ from: came.from, mine: came.mine, ...(archive && !came.resent && { archive }) },
      order: again?.order ?? (archive ? orderOf(archive, at) : orderAt(at)),
      ...{ kind: 'text', text: '', progress: came.mine ? 'sent' : 'read', reactions: {}, encrypted },
      ...untrusted
    }
    const setting = text === undefined && timer >= 0 && !came.envelope
    if (known) {
      // The archive tells the place of one of mine
      if (setting && came.mine && archive) await this.timer(base, timer)
      const there = archive ? await this.work.message(base.key) : undefined
      if (!there) return undefined
      if (there.archive === undefined) this.work.setMessage({ ...there, archive })
      if (there.mine || there.archive === undefined) await settle(this.work, there, base)
      return undefined
    }
    if (came.tombstone) {
      if (await this.work.message(base.key)) {
        await this.change('retraction', base.key, came, {})
        return undefined
      }
      // What was said and taken back before this device was there, it never had
      if (at < ((await this.db.fact<Moment>('since')) ?? 0)) {
        this.work.setSeen(base.key)
        return undefined
      }
      return this.add({ ...base, kind: 'deleted', encrypted: true })
    }
    if (opened?.type === 'unreadable' || opened?.type === 'again') {
      if (!came.envelope?.payload) return undefined
      return this.add({ ...base, kind: 'unreadable', asked: opened.type === 'again' ? asked : opened.asked })
    }
    if (text === undefined || isBlank(text)) {
      if (setting) await this.timer(base, timer)
      return undefined
    }
    if (timer > 0 && at + timer * 1000 <= this.passed) return undefined
    const { text: rest, quote } = answerIn(came, text)
    const reply = await this.quote(came, chat, quote)
    const added = await this.add({
      ...base,
      text: rest,
      ...(reply && { reply }),
      ...(came.forwarded && { forwarded: true }),
      ...(came.unstyled && { unstyled: true }),
      ...(timer > 0 && { expires: at + timer * 1000 })
    })
    const asks = added && !came.mine && came.wantsReceipt
    if (asks && (await this.isAccepted(chat)) && !(await this.wasTold(added))) {
      this.owed.set(chat, [...(this.owed.get(chat) ?? []), id])
    }
    return added
  }

  private async add(message: Message): Promise<Message | undefined> {
    const { chat, from, mine, id } = message
    const plain = messageKey(chat, from, mine, id)
    const first = message.key === plain ? undefined : await this.work.message(plain)
    if (first && !first.twins) this.work.setMessage({ ...first, twins: true })
    const before = await this.work.message(message.key)
    const fresh = await addMessage(this.work, this.me, message)
    return fresh || before?.kind === 'unreadable' || before?.standsIn ? message : undefined
  }

  /** What I have sent is in the archive: it does not wait any more, even if the acknowledgement was lost. */
  private async arrived({ chat, id, archive, at }: Came): Promise<void> {
    const waiting = await this.db.outgoing.where('id').equals(id).toArray()
    for (const { to, seq, what } of waiting) {
      if (to !== chat || seq === undefined) continue
      await this.db.outgoing.delete(seq)
      if (what.type === 'timer') await placeTimer(this.work, chat, seq, orderOf(archive, at))
    }
  }

  /** Receipts (XEP-0184) and markers (XEP-0333): theirs on mine, and those of my other devices on theirs. */
  private async marks(came: Came): Promise<void> {
    const { chat, me } = { chat: came.chat, me: this.me }
    for (const kind of ['received', 'displayed'] as const) {
      const id = came[kind]
      if (!id) continue
      const target = came.mine ? messageKey(chat, chat, false, id) : messageKey(chat, me, true, id)
      await this.change(kind, await this.meant(target, came), came, {})
      if (came.mine) await this.told(chat, kind, id)
    }
  }

  /** Another device of mine has told them already. */
  private async told(chat: Address, kind: 'received' | 'displayed', id: string): Promise<void> {
    if (kind === 'received') this.forgive(chat, id)
    const waiting = await this.db.outgoing.where('to').equals(chat).toArray()
    for (const one of waiting) {
      const { what, seq } = one
      if (seq === undefined || what.type !== 'marker' || what.kind !== kind || !what.of.includes(id)) continue
      const of = what.of.filter((other) => other !== id)
      if (of.length) await this.db.outgoing.put({ ...one, what: { ...what, of } })
      else await this.db.outgoing.delete(seq)
    }
  }

  private async retract(came: Came): Promise<void> {
    const { chat, from, mine, retracts } = came
    const target = await this.meant(messageKey(chat, from, mine, retracts), came)
    await this.change('retraction', target, came, {})
    await this.work.flush()
    const reactions = await this.db.changes.where('id').equals(retracts).toArray()
    for (const { kind, target } of reactions) {
      if (kind === 'reaction' && target.startsWith(`${chat} `)) {
        await this.change('reaction', target, came, { id: retracts, emojis: [] })
      }
    }
  }

  /** A correction that may not change what it names is a message of its own, or its text would be nowhere. */
  private async corrects(came: Came, encrypted: boolean): Promise<boolean> {
    if (!came.edits) return false
    const target = await this.corrected(came)
    const message = await this.work.message(target)
    if (target === keyOf(came)) return false
    if (!message || message.standsIn || message.kind !== 'text') return true
    return mayChange(message, { encrypted, order: this.orderOf(came) })
  }

  private corrected(came: Came): Promise<string> {
    const { chat, from, mine, edits } = came
    return this.meant(messageKey(chat, from, mine, edits), came)
  }

  /** Which message is named by an id: the one that was corrected by it, or the last that had it then. */
  private async meant(key: string, came: Came): Promise<string> {
    return named(this.work, await resolve(this.work, key), this.orderOf(came))
  }

  private orderOf({ archive, at }: Came): string {
    return archive ? orderOf(archive, at) : orderAt(at)
  }

  /** What only this app says: only from a device that is trusted. */
  private async sealed(came: Came, opened: Opened | undefined, known: boolean): Promise<void> {
    if (known || !opened || opened.type === 'unreadable') return
    this.work.setSeen(keyOf(came))
    const pin = opened.type === 'text' && opened.trusted && pinIn(opened.text, came.chat, this.me, came.at)
    if (!pin) return
    const id = came.resent || came.id
    const before = await this.work.message(pin.target)
    await this.change('pin', pin.target, came, { until: pin.until, id }, true)
    const after = await this.work.message(pin.target)
    if (after === before || !pin.until || pin.until <= this.now) return
    const { at, chat, from, mine } = came
    const order = this.orderOf(came)
    const base = { chat, at, order, from, mine, id: `pin-${id}`, kind: 'notice' as const, text: 'pinned' }
    const key = messageKey(chat, from, mine, base.id)
    await this.add({ ...base, key, progress: mine ? 'sent' : 'read', reactions: {}, encrypted: true })
  }

  /** Returns what is new to show: the text of a correction whose message is not here. */
  private async edit(
    came: Came,
    key: string,
    text: string | undefined,
    encrypted: boolean,
    known: boolean
  ): Promise<Message | undefined> {
    if (text === undefined || known) return undefined
    const { chat, from, mine, at, id, timer } = came
    if (isBlank(text)) return undefined
    const { text: rest } = answerIn(came, text)
    const target = await this.corrected(came)
    await addAlias(this.work, this.me, key, target)
    const unstyled = came.unstyled && { unstyled: true }
    const order = this.orderOf(came)
    await this.change('edit', target, came, { text: rest, id, order, ...unstyled }, encrypted)
    this.work.setSeen(key, came.archive)
    const there = await this.work.message(target)
    if (there && there.kind !== 'unreadable') return undefined
    if (await this.work.change(changeKey('retraction', target, from), target)) return undefined
    if (timer > 0 && at + timer * 1000 <= this.passed) return undefined
    return this.add({
      ...{ key: target, chat, from, mine, id: came.edits, at, order, kind: 'text', text: rest, ...unstyled },
      ...{ progress: mine ? 'sent' : 'read', reactions: {}, encrypted, standsIn: true },
      ...(timer > 0 && { expires: at + timer * 1000 })
    })
  }

  /** What an answer quotes is what its author has written, if that is here, and nothing once that was taken back. */
  private async quote(came: Came, chat: Address, text: string): Promise<Reply | undefined> {
    const { reply } = came
    if (!reply) return undefined
    const authors = [reply.from, reply.from === this.me ? chat : this.me]
    for (const from of authors) {
      const key = await this.meant(messageKey(chat, from, from === this.me, reply.id), came)
      const quoted: Reply = { id: reply.id, from, text }
      const original = await this.work.message(key)
      const gone = await this.work.change(changeKey('retraction', key, from), key)
      if (gone || original?.kind === 'deleted') return withoutText(quoted)
      if (original?.kind === 'text') return { ...quoted, text: original.text }
    }
    // Anybody may put words into anybody's mouth: there are two here, and one of them says so
    const from = reply.from === this.me ? this.me : chat
    return { id: reply.id, from, text, ...(!came.mine && { claimed: true }) }
  }

  private async react(came: Came, text: string | undefined, encrypted: boolean): Promise<void> {
    const { chat, from, mine, reaction, reply } = came
    if (!reaction) return
    const emojis = reaction.emojis ?? text?.split(/\s+/).filter(Boolean)
    if (mine && came.archive) {
      for (const author of [this.me, chat]) {
        const target = await this.meant(messageKey(chat, author, author === this.me, reaction.of), came)
        await placeChange(this.work, this.me, 'reaction', target, came.id, this.orderOf(came))
      }
    }
    if (!emojis) return
    const id = came.edits || came.id
    const first = messageKey(chat, from, mine, id)
    const taken = await this.work.change(changeKey('retraction', first, from), first)
    const content = taken ? { id, emojis: [], order: taken.order } : { id, emojis: emojisIn(emojis) }
    const targets = await Promise.all(
      [messageKey(chat, this.me, true, reaction.of), messageKey(chat, chat, false, reaction.of)].map((key) =>
        this.meant(key, came)
      )
    )
    const author = reply ? targets[reply.from === this.me ? 0 : 1] : undefined
    const messages = await Promise.all(targets.map((target) => this.work.message(target)))
    const there = messages.find((one) => one !== undefined)?.key
    for (const target of author ? [author] : there ? [there] : targets) {
      await this.change('reaction', target, came, content, encrypted)
    }
  }

  /** Looked up once for each chat. */
  private async isAccepted(address: Address): Promise<boolean> {
    let known = this.accepted.get(address)
    if (known === undefined) {
      await this.work.flush()
      known = await isAccepted(this.db, this.me, address)
      this.accepted.set(address, known)
    }
    return known
  }

  /** The sender has set after which time messages of this chat go. */
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

  private async change(
    kind: Change['kind'],
    target: string,
    { from, archive, at }: Came,
    content: Partial<Pick<Change, 'text' | 'unstyled' | 'until' | 'emojis' | 'id' | 'order'>>,
    encrypted = false
  ): Promise<void> {
    await this.work.stay()
    const order = archive ? orderOf(archive, at) : orderAt(at)
    const key = changeKey(kind, target, from)
    await addChange(this.work, this.me, { key, target, kind, from, order, encrypted, ...content })
  }

  private async wasTold({ key }: Message): Promise<boolean> {
    return (await this.work.change(changeKey('received', key, this.me), key)) !== undefined
  }

  private forgive(chat: Address, id: string): void {
    const ids = (this.owed.get(chat) ?? []).filter((one) => one !== id)
    if (ids.length) this.owed.set(chat, ids)
    else this.owed.delete(chat)
  }

  /** A message of mine came back. What was archived before it came back stays as it is elsewhere. */
  private async bounced({ chat, id, mine }: Came): Promise<void> {
    if (mine) return
    const message = await this.work.message(messageKey(chat, this.me, true, id))
    if (message && (message.progress === 'waiting' || message.progress === 'sent')) {
      this.work.setMessage({ ...message, progress: 'failed', failure: 'refused' })
    }
  }
}

/** What a person does to the local storage; needs no connection. What others have to learn goes into the outbox. */
import { isAccepted } from '../local/accepted'
import { isServer } from '../local/address'
import type { Database } from '../local/database'
import { newChat, setNow } from '../local/chat'
import { mayEdit, TooLate } from '../local/edits'
import { EnteredTexts, type Entered } from '../local/entered'
import { addChange, changeKey } from '../local/changes'
import { findLast, readTo, updateChat } from '../local/chats'
import { forget } from '../local/deletion'
import { addMessage } from '../local/messages'
import { ofChat } from '../local/queries'
import { STANZA_BYTES, TooLong, fits, split, textBytes } from '../local/length'
import { resolve } from '../local/naming'
import { isWaiting, messageKey, orderAt, orderWaiting } from '../local/order'
import { withoutText } from '../local/quotes'
import { emojisIn } from '../local/reactions'
import type { Address, Change, Chat, Message, Moment, OutgoingContent, Reply, Setting } from '../local/types'
import { Work } from '../local/work'
import { DEFAULT_TIMER, type EnterOptions, type SendOptions } from './app'
import { requeue } from './trusted'

/** Not the draft of any chat. */
const NO_DRAFT = '\0'

/** What waits for the next transaction. */
interface Storing {
  entered: Entered
  stored(): void
  failed(error: unknown): void
}

/**
 * `now` is the server's clock as far as it is known; `woken` is called when the outbox has got something; `tab`: who this
 * is among the tabs, for drafts.
 */
export class Actions {
  private storing: Storing[] = []
  private busy = false

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly now: () => Moment,
    private readonly woken: () => void,
    private readonly entries: EnteredTexts,
    private readonly tab: string
  ) {}

  send(chat: Address, text: string, options: SendOptions = {}): Promise<void> {
    return this.enter(chat, text, options).stored
  }

  edit(key: string, text: string): Promise<void> {
    return this.enter(key.slice(0, key.indexOf(' ')), text, { edits: key }).stored
  }

  /**
   * A text leaves the place where it was written when this says that it is `kept`: it survives the page, then. Otherwise
   * it stays there until it is `stored`. What could not be stored is the caller's again. Rejects with TooLong what the
   * server would not take: it would cost the connection, again and again.
   */
  enter(chat: Address, text: string, options: EnterOptions): { kept: boolean; stored: Promise<void> } {
    if (!fits(text, textBytes(undefined))) return { kept: false, stored: Promise.reject(new TooLong()) }
    const entered: Entered = { ...options, id: crypto.randomUUID(), chat, text, place: EnteredTexts.place() }
    const kept = this.entries.keep(entered)
    const stored = this.store(entered)
    stored.catch(() => this.entries.drop([entered.id]))
    return { kept, stored }
  }

  /** What a page that is gone has left. */
  async takeUp(): Promise<void> {
    const left = this.entries.left()
    const done = await Promise.allSettled(left.map((entered) => this.store(entered)))
    for (const [at, { edits, ...entered }] of left.entries()) {
      const result = done[at]
      if (edits === undefined || result?.status !== 'rejected' || !(result.reason instanceof TooLate))
        continue
      // Nobody waits any more for what was written: it stands in the composer
      const draft = (await this.db.chats.get(entered.chat))?.draft
      await this.store({ ...entered, text: draft ? `${entered.text}\n${draft}` : entered.text, unsent: true })
    }
  }

  private store(entered: Entered): Promise<void> {
    const done = new Promise<void>((stored, failed) => {
      this.storing.push({ entered, stored, failed })
    })
    if (!this.busy) void this.storeAll()
    return done
  }

  /** All that was entered while the last transaction ran goes into one, however much that is. */
  private async storeAll(): Promise<void> {
    this.busy = true
    await Promise.resolve() // what is entered in the same moment goes together from the first
    while (this.storing.length) {
      const all = this.storing
      this.storing = []
      try {
        const late = await Work.run(this.db, (work) => this.storeWithin(work, all))
        this.entries.drop(all.map(({ entered }) => entered.id))
        for (const one of all) {
          if (late.has(one)) one.failed(new TooLate())
          else one.stored()
        }
        this.woken()
      } catch (error) {
        for (const { failed } of all) failed(error)
      }
    }
    this.busy = false
  }

  /** Returns the edits that came too late, of which nothing is stored. */
  private async storeWithin(work: Work, all: Storing[]): Promise<Set<Storing>> {
    const late = new Set<Storing>()
    await work.fetch(all.map(({ entered: { chat, id } }) => messageKey(chat, this.me, true, id)))
    for (const one of all) {
      const { entered } = one
      await work.stay()
      if (entered.unsent) await updateChat(work, entered.chat, { draft: entered.text })
      else if (entered.edits === undefined) await this.sendWithin(work, entered)
      else if (!(await this.editWithin(work, entered, entered.edits))) late.add(one)
    }
    return late
  }

  private async sendWithin(work: Work, entered: Entered): Promise<void> {
    const { id, chat: address, text, forwarded, unstyled, draft } = entered
    const reply = entered.reply && (await this.quotable(work, address, entered.reply))
    const key = messageKey(address, this.me, true, id)
    if ((await work.message(key)) || (await work.isSeen(key))) return
    await this.beginTimer(work, address)
    const chat = await work.chat(address)
    const timer = chat.disappears
    const content = {
      ...(reply && { reply }),
      ...(forwarded && { forwarded }),
      ...(unstyled && { unstyled })
    }
    const what = { type: 'message' as const, text, ...content, ...(timer > 0 && { expires: timer }) }
    const seq = await this.queue(address, id, what)
    const at = Math.max(this.now(), chat.at)
    await addMessage(work, this.me, {
      ...this.mine(address, id, text),
      at,
      order: orderWaiting(seq),
      ...content,
      ...(timer > 0 && { expires: at + timer * 1000 })
    })
    if (draft === undefined || draft === chat.draft) await this.draftWithin(work, address, '')
  }

  /** What is quoted may have been taken back while the answer was written. */
  private async quotable(work: Work, address: Address, reply: Reply): Promise<Reply> {
    const { id, from } = reply
    const key = await resolve(work, messageKey(address, from, from === this.me, id))
    return (await work.message(key))?.kind === 'deleted' ? withoutText(reply) : reply
  }

  /** False: the message can't be edited any more. */
  private async editWithin(work: Work, { id, text }: Entered, key: string): Promise<boolean> {
    const message = await work.message(key)
    if (!message || !mayEdit(message, this.now())) return false
    if (await work.isSeen(messageKey(message.chat, this.me, true, id))) return true
    const timer = message.expires === undefined ? 0 : Math.ceil((message.expires - message.at) / 1000)
    const expires = timer > 0 && { expires: timer }
    const what = { type: 'message' as const, text, replaces: message.id, ...expires }
    const { waits } = await this.tell(work, message.chat, what, id)
    await this.change(work, message, 'edit', { text, id, waits })
    return true
  }

  async react(key: string, chosen: string[]): Promise<void> {
    const emojis = emojisIn(chosen)
    await this.about(key, async (message, work) => {
      const earlier = await this.db.changes.get(changeKey('reaction', key, this.me))
      const replaces = earlier?.emojis?.length ? earlier.id : undefined
      const { id, waits } = await this.tell(work, message.chat, {
        type: 'reaction',
        of: message.id,
        from: message.from,
        emojis,
        ...(replaces && { replaces })
      })
      await this.change(work, message, 'reaction', { emojis, id: replaces ?? id, sent: id, waits })
    })
  }

  async deleteForEveryone(key: string): Promise<void> {
    await this.about(key, async (message, work) => {
      if (!message.mine) return
      const waiting = await this.db.outgoing.where('id').equals(message.id).toArray()
      if (waiting.some(({ to, made }) => to === message.chat && !made)) {
        // It has not left this device: nobody else ever hears of it
        await this.unqueue(message)
        await forget(work, [key])
        return
      }
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
    const most = textBytes(await this.db.fact<number>(STANZA_BYTES))
    const parts = messages
      .filter((message): message is Message => message?.kind === 'text')
      // other apps may have sent more than a message of ours may have
      .flatMap((message) => split(message.text, most).map((text) => ({ text, options: forwarding(message) })))
    await Promise.all(
      chats.flatMap((chat) => parts.map(({ text, options }) => this.send(chat, text, options)))
    )
  }

  async retry(key: string): Promise<void> {
    await this.about(key, async (message, work) => {
      if (!message.mine || message.progress !== 'failed') return
      await requeue(work, message, this.now())
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
      // A server does not ask who has read what it says, and who is a stranger or blocked is not told
      const blocked = (await this.db.contacts.get(address))?.blocked
      const told = !isServer(address, this.me) && !blocked && (await isAccepted(this.db, this.me, address))
      if (last && last.order > chat.readTo && told) {
        const what = { type: 'marker' as const, of: [last.id], kind: 'displayed' as const }
        await this.queue(address, crypto.randomUUID(), what)
      }
    })
  }

  /** Whoever was let in learns what I had read of theirs before: reading it again would tell them nothing. */
  async tellRead(address: Address): Promise<void> {
    await this.write(async () => {
      const chat = await this.db.chats.get(address)
      if (!chat?.readTo || isServer(address, this.me) || !(await isAccepted(this.db, this.me, address)))
        return
      const last = await this.db.messages
        .where('[chat+at+order]')
        .between([address, -Infinity, ''], [address, Infinity, ''])
        .reverse()
        .filter(({ mine, kind, order }) => !mine && kind === 'text' && order <= chat.readTo)
        .first()
      if (!last) return
      const what = { type: 'marker' as const, of: [last.id], kind: 'displayed' as const }
      await this.queue(address, crypto.randomUUID(), what)
    })
  }

  async markUnread(address: Address): Promise<void> {
    const chat = await this.db.chats.get(address)
    if (chat && !chat.unread) await this.db.chats.update(address, { unread: 1 })
  }

  async draft(address: Address, text: string): Promise<void> {
    await this.write((work) => this.draftWithin(work, address, text))
    this.entries.drop([draftId(address)])
  }

  /** A draft of a page that is about to go: there is no time for the database. */
  keepDraft(chat: Address, text: string): void {
    this.entries.keep({ id: draftId(chat), chat, text, unsent: true, place: EnteredTexts.place() })
  }

  private async draftWithin(work: Work, address: Address, draft: string): Promise<void> {
    await updateChat(work, address, { draft, draftBy: this.tab })
  }

  async disappear(address: Address, seconds: number): Promise<void> {
    await this.write((work) => this.disappearWithin(work, address, seconds))
  }

  private async disappearWithin(work: Work, address: Address, seconds: number): Promise<void> {
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
  }

  /** The first that I say in a chat sets the time that I have chosen for new ones, unless one of us has set another. */
  private async beginTimer(work: Work, address: Address): Promise<void> {
    if (address === this.me || isServer(address, this.me)) return
    const { timerOrder, clearedTo } = await work.chat(address)
    if (timerOrder || clearedTo) return
    const seconds = (await this.db.fact<number>(DEFAULT_TIMER)) ?? 0
    if (seconds <= 0) return
    await work.flush()
    const said = await ofChat(this.db, address)
      .filter((message) => message.mine && message.kind !== 'notice')
      .first()
    if (!said) await this.disappearWithin(work, address, seconds)
  }

  /** Settings of a chat that my other devices share. */
  async set(
    address: Address,
    change: Pick<Partial<Chat>, 'mutedUntil' | 'pinned' | 'archived' | 'favourite'>
  ): Promise<void> {
    await this.write(async (work) => {
      const { setAt } = await work.chat(address)
      await updateChat(work, address, {
        ...change,
        setAt: setNow(setAt, Object.keys(change) as Setting[], this.now())
      })
      await this.unsynced('settings', address)
    })
  }

  /** Empties chats on all devices of mine, which stay in the list; with `remove` they leave it. */
  async clear(addresses: Address[], remove = false): Promise<void> {
    for (const address of addresses) {
      await this.write(async (work) => {
        const last = await ofChat(this.db, address)
          .reverse()
          .filter((message) => !isWaiting(message.order))
          .first()
        await forget(work, await ofChat(this.db, address).primaryKeys())
        await this.db.outgoing.where('to').equals(address).filter(isMessage).delete()
        const before = await work.chat(address)
        const { mutedUntil, readTo, seenTo, disappears, timerOrder, timerMeanwhile, at, order } = before
        const { clearedTo = '', pinned, archived, favourite = false, setAt } = before
        const touched: Setting[] = remove ? ['pinned', 'archived', 'favourite', 'listed'] : ['listed']
        work.setChat({
          ...newChat(address),
          ...{ mutedUntil, readTo, seenTo, disappears, timerOrder, timerMeanwhile, at, order },
          ...(!remove && { pinned, archived, favourite, listed: true }),
          setAt: setNow(setAt, touched, this.now()),
          clearedTo: clearedUpTo(clearedTo, last?.order, this.now())
        })
        await this.unsynced('settings', address)
      })
    }
  }

  /** All that is in any of the chats counts as read. */
  async readAll(addresses?: Address[]): Promise<void> {
    const all = addresses ? await this.db.chats.bulkGet(addresses) : await this.db.chats.toArray()
    for (const chat of all) if (chat?.unread) await this.read(chat.address, chat.last)
  }

  /** In the chat, for both sides; 0: not any more. */
  async pinMessage(key: string, seconds: number): Promise<void> {
    await this.about(key, async (message, work) => {
      if (message.kind !== 'text' || isServer(message.chat, this.me) || isWaiting(message.order)) return
      const until = seconds > 0 ? this.now() + seconds * 1000 : 0
      const { chat, id: of, from } = message
      const { id } = await this.tell(work, chat, { type: 'pin', of, from, until })
      await this.change(work, message, 'pin', { until, id })
      if (!until) return
      const at = Math.max(this.now(), (await work.chat(chat)).at)
      await addMessage(work, this.me, {
        ...this.mine(chat, `pin-${id}`, 'pinned'),
        ...{ kind: 'notice', progress: 'sent', at, order: orderAt(at) }
      })
    })
  }

  /** For chats that begin from now on. */
  async setDefaultTimer(seconds: number): Promise<void> {
    await this.db.transaction('rw', this.db.facts, async () => {
      await this.db.setFact(DEFAULT_TIMER, seconds)
      await this.unsynced('default', 'timer')
    })
    this.woken()
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
    content: Pick<Change, 'text' | 'emojis' | 'until' | 'id' | 'sent' | 'waits'>
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
      .filter((message) => !message.mine && message.kind === 'text')
      .first()
  }

  /** Queues what has an id of its own, and returns that. What the archive tells of it is known then. */
  private async tell(
    work: Work,
    to: Address,
    what: OutgoingContent,
    id: string = crypto.randomUUID()
  ): Promise<{ id: string; waits: number }> {
    work.setSeen(messageKey(to, this.me, true, id))
    return { id, waits: await this.queue(to, id, what) }
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

  private async unsynced(what: 'read' | 'settings' | 'default', address: Address): Promise<void> {
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

/** Whatever stands in the composer there stays. */
function forwarding({ unstyled }: Message): SendOptions {
  return { forwarded: true, draft: NO_DRAFT, ...(unstyled && { unstyled }) }
}

function draftId(chat: Address): string {
  return `draft ${chat}`
}

function isMessage({ what }: { what: OutgoingContent }): boolean {
  return what.type === 'message'
}

/** How an answer names the message that it answers. */
export function replyTo({ id, from, text }: Message): Reply {
  return { id, from, text }
}

/** A place up to which a chat is cleared: never one of the future, or what comes until then would never be seen. */
function clearedUpTo(before: string, last: string | undefined, now: Moment): string {
  const upTo = [last ?? '', orderAt(now)].sort()[0] ?? ''
  return upTo > before ? upTo : before
}

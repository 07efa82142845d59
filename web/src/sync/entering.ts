/**
 * Texts that the user enters: new messages, edits and drafts. Everything entered while one transaction runs goes into
 * the next one together.
 */
import { findLast, updateChat } from '../local/chats'
import { mayEdit, TooLate } from '../local/edits'
import { EnteredTexts, type Entered } from '../local/entered'
import { fits, textBytes, TooLong } from '../local/length'
import { addMessage } from '../local/messages'
import { resolve } from '../local/naming'
import { messageKey, orderWaiting } from '../local/order'
import { withoutText } from '../local/quotes'
import { neverLeft } from '../local/unsent'
import type { Address, Reply } from '../local/types'
import { Work } from '../local/work'
import type { EnterOptions } from './app'
import { requeue } from './failed'
import { sendEdit } from './message-changes'
import type { Queueing } from './queueing'
import type { Timers } from './timers'
import { queueUploads } from './upload-queue'

/** A text that waits for the next transaction. */
interface Storing {
  entered: Entered
  stored(): void
  failed(error: unknown): void
}

export class Entering {
  private storing: Storing[] = []
  private busy = false

  /** `tab`: the id of this tab, for drafts. */
  constructor(
    private readonly on: Queueing,
    private readonly entries: EnteredTexts,
    private readonly timers: Timers,
    private readonly tab: string
  ) {}

  /**
   * As `App.enter`. Rejects with TooLong if the server would not accept the text, since sending it would end each
   * connection.
   */
  enter(chat: Address, text: string, options: EnterOptions): { kept: boolean; stored: Promise<void> } {
    if (!fits(text, textBytes(undefined))) return { kept: false, stored: Promise.reject(new TooLong()) }
    const entered: Entered = { ...options, id: crypto.randomUUID(), chat, text, place: EnteredTexts.place() }
    const kept = this.entries.keep(entered)
    const stored = this.store(entered)
    stored.catch(() => this.entries.drop([entered.id]))
    return { kept, stored }
  }

  /** Stores the texts that an earlier page could not store before it was closed. */
  async takeUp(): Promise<void> {
    const left = this.entries.left()
    const done = await Promise.allSettled(left.map((entered) => this.store(entered)))
    for (const [at, { edits, ...entered }] of left.entries()) {
      const result = done[at]
      if (edits === undefined || result?.status !== 'rejected' || !(result.reason instanceof TooLate))
        continue
      // Nobody waits for this edit any more, so it becomes a draft
      const draft = (await this.on.db.chats.get(entered.chat))?.draft
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

  /** Stores everything entered during the last transaction in the next one. */
  private async storeAll(): Promise<void> {
    this.busy = true
    await Promise.resolve() // texts that are entered at the same moment share a transaction
    while (this.storing.length) {
      const all = this.storing
      this.storing = []
      try {
        const late = await Work.run(this.on.db, (work) => this.storeWithin(work, all))
        this.entries.drop(all.map(({ entered }) => entered.id))
        for (const one of all) {
          if (late.has(one)) one.failed(new TooLate())
          else one.stored()
        }
        this.on.woken()
      } catch (error) {
        for (const { failed } of all) failed(error)
      }
    }
    this.busy = false
  }

  /** Returns the edits that came too late; nothing of them is stored. */
  private async storeWithin(work: Work, all: Storing[]): Promise<Set<Storing>> {
    const late = new Set<Storing>()
    await work.fetch(all.map(({ entered: { chat, id } }) => messageKey(chat, this.on.me, true, id)))
    for (const one of all) {
      const { entered } = one
      await work.keepAlive()
      if (entered.unsent) await updateChat(work, entered.chat, { draft: entered.text })
      else if (entered.edits === undefined) await this.sendWithin(work, entered)
      else if (!(await this.editWithin(work, entered, entered.edits))) late.add(one)
    }
    return late
  }

  private async sendWithin(work: Work, entered: Entered): Promise<void> {
    const { id, chat: address, text, forwarded, unstyled, draft, mentions, poll, media, claim } = entered
    const reply = entered.reply && (await this.quotable(work, address, entered.reply))
    const key = messageKey(address, this.on.me, true, id)
    if ((await work.message(key)) || (await work.isSeen(key))) return
    await this.timers.begin(work, address)
    const chat = await work.chat(address)
    const timer = chat.disappears
    const content = {
      ...(reply && { reply }),
      ...(forwarded && { forwarded }),
      ...(unstyled && { unstyled }),
      ...(mentions?.length && { mentions }),
      ...(poll && { poll }),
      ...(media && { media })
    }
    if (media) await queueUploads(work.db, media, claim)
    const expires = timer > 0 && { expires: timer }
    const what = { type: 'message' as const, text, ...content, ...(claim && { claim }), ...expires }
    const seq = await this.on.queue(address, id, what)
    const at = Math.max(this.on.now(), chat.at)
    await addMessage(work, this.on.me, {
      ...this.on.mine(address, id, text),
      at,
      order: orderWaiting(seq),
      ...content,
      ...(timer > 0 && { expires: at + timer * 1000 })
    })
    if (media && text) await this.on.tell(work, address, { type: 'caption', of: id, text })
    if (draft === undefined || draft === chat.draft) await this.draftWithin(work, address, '')
  }

  /** The quoted message may have been deleted while the reply was written. */
  private async quotable(work: Work, address: Address, reply: Reply): Promise<Reply> {
    const { id, from } = reply
    const key = await resolve(work, messageKey(address, from, from === this.on.me, id))
    return (await work.message(key))?.kind === 'deleted' ? withoutText(reply) : reply
  }

  /** False: the message can't be edited any more. */
  private async editWithin(work: Work, { id, text }: Entered, key: string): Promise<boolean> {
    const message = await work.message(key)
    if (!message || !mayEdit(message, this.on.now())) return false
    if (await work.isSeen(messageKey(message.chat, this.on.me, true, id))) return true
    if (neverLeft(message)) {
      // Nobody has the message, so it is sent with its new text
      work.setSeen(messageKey(message.chat, this.on.me, true, id))
      await requeue(work, { ...message, text }, this.on.now())
      await findLast(work, message.chat)
    } else await sendEdit(this.on, work, message, text, id)
    return true
  }

  async draft(address: Address, text: string): Promise<void> {
    await this.on.write((work) => this.draftWithin(work, address, text))
    this.entries.drop([draftId(address)])
  }

  /** Keeps a draft synchronously when the page is about to be closed, since there is no time for the database. */
  keepDraft(chat: Address, text: string): void {
    this.entries.keep({ id: draftId(chat), chat, text, unsent: true, place: EnteredTexts.place() })
  }

  private async draftWithin(work: Work, address: Address, draft: string): Promise<void> {
    await updateChat(work, address, { draft, draftBy: this.tab })
  }
}

function draftId(chat: Address): string {
  return `draft ${chat}`
}

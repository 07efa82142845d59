/**
 * Sends the text of a composer. A text leaves the field as soon as it can't be lost any more; if it can't be stored, it
 * comes back.
 */
import { TooLate } from '../local/edits'
import type { Address, Mention, Message } from '../local/types'
import type { App, SendOptions } from '../sync/app'
import { preview } from '../parts/preview'
import { attempt } from '../parts/toasts.svelte'
import type { WrittenText } from './written-text.svelte'

/** The maximum length of a quote, in UTF-16 units. */
const LONGEST_QUOTE = 200

/** What is written about. */
export interface About {
  reply: Message | undefined
  editing: Message | undefined
  mentions: Mention[]
}

export interface SendingEvents {
  /** The field is free for the next text. */
  done(): void
  /** Whether the composer is still on the screen. */
  here(): boolean
  /** The message that is edited now. */
  editing(): Message | undefined
}

export class Sending {
  /** Sent, but neither stored nor kept otherwise yet: it stays in the field until it is. */
  private leaving = ''

  constructor(
    private readonly app: App,
    private readonly chat: Address,
    private readonly written: WrittenText,
    private readonly events: SendingEvents
  ) {}

  /** Sends a text, or the parts of one that is too long for one message. */
  send(parts: string[], { reply, editing, mentions }: About): void {
    const { app, chat, written, events } = this
    const { text } = written
    const [said = ''] = parts
    if (said === '' || text === this.leaving) return
    if (said === editing?.text) {
      events.done()
      return
    }
    const quoting = this.quoting(reply)
    const draft = written.saved
    const options = editing
      ? { edits: editing.key }
      : {
          ...quoting,
          ...(mentions.length && { mentions }),
          draft
        }
    const entered = parts.map((part, at) => app.enter(chat, part, at ? {} : options))
    const kept = entered.every((one) => one.kept)
    const stored = Promise.all(entered.map((one) => one.stored))
    written.sent()
    if (kept) {
      if (!editing) written.text = ''
      events.done()
    } else this.leaving = text
    stored.then(
      () => {
        if (!kept) this.leave(text, editing)
      },
      (error: unknown) => {
        this.leaving = ''
        if (kept) written.giveBack(text, events.here())
        attempt(Promise.reject(error as Error), error instanceof TooLate ? 'failed.edit' : 'failed.send')
      }
    )
  }

  /** What a message says of the one that it replies to. */
  quoting(reply: Message | undefined): Pick<SendOptions, 'reply'> {
    if (!reply) return {}
    return { reply: { id: reply.id, from: reply.from, text: preview(reply).slice(0, LONGEST_QUOTE) } }
  }

  /** A text that had to wait in the field is stored. What was typed behind it stays. */
  private leave(text: string, edited: Message | undefined): void {
    const { written, events } = this
    this.leaving = ''
    if (edited) {
      if (events.editing() === edited) events.done()
    } else if (written.text.startsWith(text)) {
      written.text = written.text.slice(text.length)
      events.done()
    }
  }
}

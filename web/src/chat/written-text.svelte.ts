/** The text in a composer: it is saved as the draft of its chat, and put aside while an older message is edited. */
import type { Address } from '../local/types'
import type { App } from '../sync/app'
import { attempt } from '../parts/toasts.svelte'

/** Milliseconds without a key until the draft is saved. */
const PAUSE_MS = 500

export class WrittenText {
  text = $state('')
  /** The draft as it was last given to the app, and as it is stored for certain. */
  saved: string
  private confirmed: string
  private editing = false
  /** What stood there before a message was edited. */
  private before = ''
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly app: App,
    private readonly chat: Address,
    draft: string
  ) {
    this.text = this.saved = this.confirmed = draft
  }

  beginEditing(text: string): void {
    this.before = this.text
    this.editing = true
    this.text = text
  }

  endEditing(): void {
    this.text = this.before
    this.editing = false
  }

  /** Saves the draft; a message that is edited is none. */
  save(): void {
    clearTimeout(this.timer)
    if (this.editing || this.text === this.saved) return
    const now = (this.saved = this.text)
    attempt(
      this.app.draft(this.chat, now).then(() => {
        this.confirmed = now
      })
    )
  }

  saveSoon(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.save()
    }, PAUSE_MS)
  }

  /** The text is on its way: it is no draft any more. */
  sent(): void {
    clearTimeout(this.timer)
    if (!this.editing) this.saved = this.confirmed = ''
  }

  /** Another window has written in this chat: true if its text stands here now, as nothing else was typed since. */
  takeOver(draft: string): boolean {
    if (this.editing || draft === this.saved || this.text !== this.saved) return false
    this.text = this.saved = this.confirmed = draft
    return true
  }

  /** A text could not be stored: it is to be sent again, before what was written since. `here`: it can be seen. */
  giveBack(said: string, here: boolean): void {
    const since = this.editing ? this.before : this.text
    const all = since === '' ? said : `${said}\n${since}`
    if (!here) this.app.keepDraft(this.chat, all)
    else if (this.editing) this.before = all
    else this.text = all
  }

  /** The page goes, and there is no time to wait. */
  keep(): void {
    if (!this.editing && this.text !== this.confirmed) this.app.keepDraft(this.chat, this.text)
  }
}

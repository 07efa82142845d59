/** The text in a composer. It is saved as the draft of its chat, and put aside while a message is edited. */
import type { Address } from '../local/types'
import type { App } from '../sync/app'
import { attempt } from '../parts/toasts.svelte'

/** Milliseconds without typing until the draft is saved. */
const PAUSE_MS = 500

export class WrittenText {
  text = $state('')
  /** The draft as it was last passed to the app, and as it is certainly stored. */
  saved: string
  private confirmed: string
  private editing = false
  /** The text that was there before editing. */
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

  /** Saves the draft. The text of an edited message is none. */
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

  /** The text was sent, so the draft is empty. */
  sent(): void {
    clearTimeout(this.timer)
    if (!this.editing) this.saved = this.confirmed = ''
  }

  /** Another window has changed the draft: it is shown here, too, unless something was typed here since. */
  takeOver(draft: string): void {
    if (this.editing || draft === this.saved || this.text !== this.saved) return
    this.text = this.saved = this.confirmed = draft
  }

  /** A text could not be stored, so it is put before what was written since. `here`: the composer is on the screen. */
  giveBack(said: string, here: boolean): void {
    const since = this.editing ? this.before : this.text
    const all = since === '' ? said : `${said}\n${since}`
    if (!here) this.app.keepDraft(this.chat, all)
    else if (this.editing) this.before = all
    else this.text = all
  }

  /** Saves the draft synchronously when the page is about to be closed. */
  keep(): void {
    if (!this.editing && this.text !== this.confirmed) this.app.keepDraft(this.chat, this.text)
  }
}

/** Marks messages as read once they were seen, which means that the page is visible and has the focus. */
import type { Address, Chat, Message } from '../local/types'
import type { App } from '../sync/app'
import { attempt } from '../parts/toasts.svelte'
import type { Viewport } from './viewport.svelte'

/** Milliseconds between checks while the person scrolls. */
const PAUSE_MS = 150

export class ReadTracker {
  /** The key of the last message that was marked. */
  private read = ''
  private waiting: ReturnType<typeof setTimeout> | undefined

  /** `messages`: those that are drawn; `live`: whether the newest message of the chat is among them. */
  constructor(
    private readonly app: App,
    private readonly address: Address,
    private readonly view: Viewport,
    private readonly state: () => { messages: Message[]; live: boolean; chat: Chat | undefined }
  ) {}

  checkSoon(): void {
    this.waiting ??= setTimeout(() => {
      this.waiting = undefined
      this.check()
    }, PAUSE_MS)
  }

  check(): void {
    const { view } = this
    if (!view.visible || document.visibilityState !== 'visible' || !document.hasFocus()) return
    const { messages, live, chat } = this.state()
    const last = view.atEnd && live ? view.rows().at(-1) : view.lastSeen()
    const key = last?.dataset['key'] ?? ''
    if (key === '' || key === this.read) return
    const message = messages.find((one) => one.key === key)
    if (!message || (!chat?.unread && message.mine)) return
    this.read = key
    attempt(this.app.read(this.address, key))
  }
}

/* eslint svelte/prefer-svelte-reactivity: 'off' -- these maps are not drawn themselves */
/**
 * The section of a conversation that is drawn: pages of the local history. Scrolling adds a page at one end and removes
 * one at the other, so it stays short. Each page is read again only when something in it changes.
 */
import Dexie, { liveQuery, type Subscription } from 'dexie'
import { timeOf } from '../local/order'
import { unreadBefore } from '../local/reading'
import type { Address, Message } from '../local/types'
import type { App } from '../sync/app'

type Place = [at: number, order: string]

/** The number of messages drawn first. */
const FIRST = 50
/** The number of messages of a page, which has to be drawn between two frames. */
const STEP = 8
const MAX_MESSAGES = 200
const BEGINNING: Place = [-Infinity, '']

const placeOf = (message: Message): Place => [message.at, message.order]

/** A range of the history; without `to`, it is open. */
class Page {
  subscription: Subscription | undefined
  private readonly texts = new Map<string, string>()

  constructor(
    readonly from: Place,
    readonly to: Place | undefined,
    public messages: Message[]
  ) {
    for (const message of messages) this.texts.set(message.key, JSON.stringify(message))
  }

  /**
   * Replaces the messages; false: nothing is new. Unchanged messages stay the same objects, so that they are not drawn
   * again.
   */
  take(found: Message[]): boolean {
    const before = new Map(this.messages.map((message) => [message.key, message]))
    const now = found.map((message) => {
      const text = JSON.stringify(message)
      const known = before.get(message.key)
      if (known && this.texts.get(message.key) === text) return known
      this.texts.set(message.key, text)
      return message
    })
    if (now.length === before.size && now.every((message, at) => message === this.messages[at])) return false
    this.messages = now
    return true
  }
}

export class History {
  #pages: Page[] = []
  #messages = $state.raw<Message[]>()
  /** There are no earlier messages, here or at the server. */
  complete = $state(false)
  /** The server is being asked for more. */
  loading = $state(false)
  #busy = false
  #filling = false
  /** A gap that could not be filled because the server did not answer. */
  #unfilled = false
  /** The server did not answer, and is not asked again before there is a connection. */
  #stuck = false
  #live = $state(true)
  /** Incremented when another section is chosen, so that late results for the earlier one are dropped. */
  #turn = 0

  constructor(
    private readonly app: App,
    private readonly chat: Address
  ) {
    $effect(() => () => {
      this.#turn += 1
      this.#drop(this.#pages)
    })
  }

  /** In order; undefined before anything was read. */
  get messages(): Message[] | undefined {
    return this.#messages
  }

  /** Whether new messages appear at its end. */
  get live(): boolean {
    return this.#live
  }

  #between(from: Place, to?: Place) {
    const end = to ? [this.chat, ...to] : [this.chat, Dexie.maxKey, Dexie.maxKey]
    return this.app.db.messages.where('[chat+at+order]').between([this.chat, ...from], end, true, false)
  }

  async #before(place: Place | undefined, count: number): Promise<Message[]> {
    return (await this.#between(BEGINNING, place).reverse().limit(count).toArray()).reverse()
  }

  async newest(): Promise<void> {
    const turn = ++this.#turn
    const found = await this.#before(undefined, FIRST)
    if (turn === this.#turn) this.#choose(found.length < FIRST, found, undefined)
  }

  /** Shows the section around a message; false: it is not stored here. */
  async around(key: string): Promise<boolean> {
    const message = await this.app.db.messages.get(key)
    if (message?.chat !== this.chat) return false
    const turn = ++this.#turn
    const [before, after] = await Promise.all([
      this.#before(placeOf(message), FIRST),
      this.#between(placeOf(message))
        .limit(FIRST + 1)
        .toArray()
    ])
    if (turn !== this.#turn) return true
    const next = after[FIRST]
    this.#choose(before.length < FIRST, [...before, ...after.slice(0, FIRST)], next && placeOf(next))
    return true
  }

  /** Shows a section. `first`: there are no earlier messages stored. */
  #choose(first: boolean, messages: Message[], to: Place | undefined): void {
    const [oldest] = messages
    this.#drop(this.#pages)
    this.#pages = this.#cut(first || !oldest ? BEGINNING : placeOf(oldest), to, messages)
    this.complete = false
    this.#show()
  }

  /** Divides a section into pages, and watches them. */
  #cut(from: Place, to: Place | undefined, messages: Message[]): Page[] {
    const pages: Page[] = []
    let start = from
    for (let at = 0; at < messages.length || at === 0; at += STEP) {
      const next = messages[at + STEP]
      const end = next ? placeOf(next) : to
      pages.push(new Page(start, end, messages.slice(at, at + STEP)))
      if (end) start = end
    }
    for (const page of pages) this.#watch(page)
    return pages
  }

  #watch(page: Page): void {
    page.subscription = liveQuery(() => this.#between(page.from, page.to).toArray()).subscribe({
      next: (found) => {
        const at = this.#pages.indexOf(page)
        if (at < 0 || !page.take(found)) return
        if (found.length > 2 * STEP) {
          this.#drop([page])
          this.#pages.splice(at, 1, ...this.#cut(page.from, page.to, page.messages))
        }
        this.#show()
      },
      error: (error: unknown) => {
        console.error('the local storage could not be read', error)
      }
    })
  }

  #drop(pages: Page[]): void {
    for (const page of pages) page.subscription?.unsubscribe()
  }

  #show(): void {
    const all = new Map<string, Message>() // a message that moves may be in two pages for a moment
    for (const { messages } of this.#pages) for (const message of messages) all.set(message.key, message)
    this.#messages = [...all.values()]
    this.#live = this.#pages.at(-1)?.to === undefined
  }

  /** Moves the older end. */
  #begin(from: Place): void {
    const [first] = this.#pages
    if (!first) return
    this.#drop([first])
    this.#pages[0] = new Page(from, first.to, first.messages)
    this.#watch(this.#pages[0])
  }

  /** Removes surplus pages at an end. */
  #shorten(take: (pages: Page[]) => Page | undefined): boolean {
    let count = this.#pages.reduce((sum, { messages }) => sum + messages.length, 0)
    const before = this.#pages.length
    while (count > MAX_MESSAGES) {
      const gone = take(this.#pages)
      if (!gone) break
      this.#drop([gone])
      count -= gone.messages.length
    }
    return this.#pages.length < before
  }

  /** Adds messages at the older end: from the local history, or else from the server. */
  async older(): Promise<void> {
    const [first] = this.#pages
    const turn = this.#turn
    if (this.#busy || !first || this.complete || this.#stuck) return
    this.#busy = true
    try {
      const found = first.from === BEGINNING ? [] : await this.#before(first.from, STEP)
      if (turn !== this.#turn) return
      const [oldest] = found
      if (!oldest) {
        await this.#fetch(first)
        return
      }
      const from = found.length < STEP ? BEGINNING : placeOf(oldest)
      this.#pages.unshift(...this.#cut(from, first.from, found))
      this.#shorten((pages) => pages.pop())
      this.#show()
      void this.#fill()
    } finally {
      this.#busy = false
    }
  }

  /**
   * Fills a gap: messages from another device or a backup may go back further than the server's archive was read, and
   * the server may have messages in between.
   */
  async #fill(): Promise<void> {
    if (this.#filling || this.#unfilled) return
    this.#filling = true
    try {
      for (const turn = this.#turn; turn === this.#turn;) {
        const edge = await unreadBefore(this.app.db, this.chat)
        const [oldest, newest] = [this.#messages?.[0], this.#messages?.at(-1)]
        if (!edge || !oldest || !newest) return
        const at = 'entry' in edge ? timeOf(edge.entry) : edge.time
        if (at <= oldest.at || at > newest.at) return
        if (!(await this.app.older(this.chat))) return
      }
    } catch {
      this.#unfilled = true
    } finally {
      this.#filling = false
    }
  }

  /** There is a connection again, so the server may be asked again. */
  connected(): void {
    this.#stuck = false
    this.#unfilled = false
  }

  async #fetch(first: Page): Promise<void> {
    const turn = this.#turn
    const [top] = first.messages
    if (top) this.#begin(placeOf(top)) // however many messages there are, they are drawn page by page
    this.loading = true
    try {
      const more = await this.app.older(this.chat)
      if (turn !== this.#turn) return
      if (!more) this.#begin(BEGINNING)
      this.complete = !more
    } catch {
      this.#stuck = true
    } finally {
      this.loading = false
    }
  }

  async newer(): Promise<void> {
    const from = this.#pages.at(-1)?.to
    const turn = this.#turn
    if (this.#busy || !from) return
    this.#busy = true
    try {
      const found = await this.#between(from)
        .limit(STEP + 1)
        .toArray()
      if (turn !== this.#turn) return
      const next = found[STEP]
      this.#pages.push(...this.#cut(from, next && placeOf(next), found.slice(0, STEP)))
      if (this.#shorten((pages) => pages.shift())) this.complete = false
      this.#show()
    } finally {
      this.#busy = false
    }
  }
}

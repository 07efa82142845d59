/* eslint svelte/prefer-svelte-reactivity: 'off' -- what was drawn is compared with, and not itself drawn */
/**
 * The part of a conversation that is on the screen: a stretch of the local history, which grows at the end that one
 * scrolls to and is cut at the other. However long the history is, what is drawn is short.
 */
import Dexie from 'dexie'
import type { Address, Message } from '../local/types'
import type { App } from '../sync/app'
import { query } from './query.svelte'

type Place = [at: number, order: string]

/** Messages that are drawn first. */
const FIRST = 50
/** How many more at a time: what is drawn in one go has to fit between two frames. */
const STEP = 16
const MOST = 200
const BEGINNING: Place = [-Infinity, '']

const placeOf = (message: Message): Place => [message.at, message.order]

export class History {
  /** Until where it reaches; `#to` undefined: to the newest. */
  #from = $state.raw<Place>()
  #to = $state.raw<Place>()
  /** There is nothing before it, here or at the server. */
  complete = $state(false)
  loading = $state(false)
  /** Grows whenever another stretch is chosen: what was read beside the one before is of no use then. */
  #turn = $state.raw(0)
  /** Of which turn the messages are. */
  #shown = 0
  #messages
  #drawn = new Map<string, { text: string; message: Message }>()

  constructor(
    private readonly app: App,
    private readonly chat: Address
  ) {
    this.#messages = query<Message[] | undefined>(() => {
      const from = this.#from
      const to = this.#to
      const turn = this.#turn
      return async () => {
        const found = from ? this.#same(await this.#between(from, to).toArray()) : undefined
        this.#shown = turn
        return found
      }
    }, undefined)
  }

  /** In order; undefined while nothing has been read. */
  get messages(): Message[] | undefined {
    return this.#messages.value
  }

  /** Whether new messages appear at its end. */
  get live(): boolean {
    return this.#to === undefined
  }

  /** What has not changed is the same object as before, so that it is not drawn again. */
  #same(found: Message[]): Message[] {
    const before = this.#drawn
    this.#drawn = new Map()
    return found.map((message) => {
      const text = JSON.stringify(message)
      const known = before.get(message.key)
      const kept = known?.text === text ? known : { text, message }
      this.#drawn.set(message.key, kept)
      return kept.message
    })
  }

  #between(from: Place, to?: Place, inclusive = true) {
    const end = to ? [this.chat, ...to] : [this.chat, Dexie.maxKey, Dexie.maxKey]
    return this.app.db.messages
      .where('[chat+at+order]')
      .between([this.chat, ...from], end, inclusive, inclusive)
  }

  async #before(place: Place, count: number): Promise<Message[]> {
    return (await this.#between(BEGINNING, place, false).reverse().limit(count).toArray()).reverse()
  }

  async newest(): Promise<void> {
    const found = await this.#between(BEGINNING).reverse().limit(FIRST).toArray()
    const oldest = found.length === FIRST ? found.at(-1) : undefined
    this.#choose(oldest ? placeOf(oldest) : BEGINNING, undefined)
  }

  /** With that message in the middle; false: it is not here. */
  async around(key: string): Promise<boolean> {
    const message = await this.app.db.messages.get(key)
    if (message?.chat !== this.chat) return false
    const before = await this.#before(placeOf(message), FIRST)
    const after = await this.#between(placeOf(message))
      .limit(FIRST + 1)
      .toArray()
    const last = after.at(-1)
    this.#choose(
      before.length === FIRST && before[0] ? placeOf(before[0]) : BEGINNING,
      after.length > FIRST && last ? placeOf(last) : undefined
    )
    return true
  }

  #choose(from: Place, to: Place | undefined): void {
    this.#turn += 1
    this.#from = from
    this.#to = to
    this.complete = false
  }

  /** Some more at the older end: from here, or else from the server. */
  async older(): Promise<void> {
    const shown = this.messages
    const turn = this.#turn
    if (this.loading || !shown || this.complete || this.#shown !== turn) return
    this.loading = true
    try {
      const oldest = shown[0]
      const found = oldest ? await this.#before(placeOf(oldest), STEP) : []
      if (turn !== this.#turn) return
      if (found.length) {
        const first = found[0]
        this.#from = found.length === STEP && first ? placeOf(first) : BEGINNING
        const cut = shown[MOST - STEP]
        if (shown.length > MOST && cut) this.#to = placeOf(cut)
      } else {
        const more = await this.app.older(this.chat)
        if (turn === this.#turn) this.complete = !more
      }
    } catch {
      // without a connection the server is asked when one scrolls there again
    } finally {
      this.loading = false
    }
  }

  async newer(): Promise<void> {
    const shown = this.messages
    const newest = shown?.at(-1)
    const turn = this.#turn
    if (this.loading || !shown || !newest || this.live || this.#shown !== turn) return
    this.loading = true
    try {
      const found = await this.#between(placeOf(newest))
        .limit(STEP + 1)
        .toArray()
      if (turn !== this.#turn) return
      const last = found.at(-1)
      this.#to = found.length > STEP && last ? placeOf(last) : undefined
      const cut = shown[shown.length - MOST + STEP]
      if (shown.length > MOST && cut) {
        this.#from = placeOf(cut)
        this.complete = false
      }
    } finally {
      this.loading = false
    }
  }
}

/**
 * What my devices share of chats: how far I have read (XEP-0490), and pinned, muted, archived, favourites, cleared,
 * disappearing messages in a private node of Kith's own (docs/web.md). What was changed here without a connection is noted, and published later.
 */
import type { Database } from '../local/database'
import { newChat } from '../local/chat'
import { clearTo, readTo, updateChat } from '../local/history'
import { isArchiveId, isOrder, isWaiting, timeOf } from '../local/order'
import { secondsOf } from '../local/timer'
import type { Address, Chat, Moment } from '../local/types'
import { Work } from '../local/work'
import { DEFAULT_TIMER } from './app'
import { type Item, itemsOf, publish } from './pubsub'
import type { Wire } from './wire'
import { attribute, child, domainOf, el, type Made, NS, type Xml } from './xml'

/** The item that is of no chat. */
const DEFAULT_ITEM = 'default'
const CLOCKS_DIFFER_MS = 60_000

export const SETTINGS_NODES: string[] = [NS.displayed, NS.kithChats]

export class ChatSettings {
  private working = false
  /** What my other devices have set was read in this session: before, it could be overwritten unseen. */
  private loaded = false

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly wire: Wire,
    private readonly now: () => Moment
  ) {}

  /** A new session begins: what others have set meanwhile is read before anything is published. */
  fresh(): void {
    this.loaded = false
  }

  /** All that my other devices have set, in a new session. */
  async load(): Promise<void> {
    for (const node of SETTINGS_NODES) await this.event(node, await itemsOf(this.wire, this.me, node))
    this.loaded = true
  }

  async event(node: string, items: Item[]): Promise<void> {
    for (const { id, payload } of items) {
      if (payload && node === NS.kithChats && id === DEFAULT_ITEM) await this.defaults(payload)
      // What the server itself says is a chat as well
      if (!payload || !(id.includes('@') || id === domainOf(this.me))) continue
      if (node === NS.displayed) await this.displayed(id, payload)
      else await this.settings(id, payload)
    }
  }

  /** Publishes what was changed here. */
  async flush(): Promise<void> {
    if (this.working || !this.loaded || !this.wire.online) return
    this.working = true
    try {
      const changed = await this.db.facts.where('name').startsWith('unsynced ').toArray()
      for (const { name, value } of changed) {
        const [, what, address] = name.split(' ')
        if (!address) continue
        if (what === 'default') {
          await this.publishDefaults()
          await this.done(name, value)
          continue
        }
        const chat = (await this.db.chats.get(address)) ?? newChat(address)
        if (what === 'read') await this.publishRead(chat)
        else await publish(this.wire, NS.kithChats, address, made(chat), 'whitelist', true)
        await this.done(name, value)
      }
    } catch {
      // It stays noted for the next session
    } finally {
      this.working = false
    }
  }

  /** It is published; unless it has changed again meanwhile. */
  private async done(name: string, value: unknown): Promise<void> {
    await this.db.transaction('rw', this.db.facts, async () => {
      if ((await this.db.fact(name)) === value) await this.db.facts.delete(name)
    })
  }

  private async publishDefaults(): Promise<void> {
    const disappears = String((await this.db.fact<number>(DEFAULT_TIMER)) ?? 0)
    const payload = el('default', { xmlns: NS.kithChats, disappears })
    await publish(this.wire, NS.kithChats, DEFAULT_ITEM, payload, 'whitelist', true)
  }

  private async defaults(payload: Xml): Promise<void> {
    if (await this.db.fact('unsynced default timer')) return
    await this.db.setFact(DEFAULT_TIMER, Math.max(0, secondsOf(attribute(payload, 'disappears'))))
  }

  private async publishRead({ address, readTo: id }: Chat): Promise<void> {
    if (!/^[0-9a-f]{16}$/.test(id)) return
    const stanza = el('stanza-id', { xmlns: NS.sid, by: this.me, id })
    await publish(
      this.wire,
      NS.displayed,
      address,
      el('displayed', { xmlns: NS.displayed }, stanza),
      'whitelist',
      true
    )
  }

  private async displayed(address: Address, payload: Xml): Promise<void> {
    const id = attribute(child(payload, NS.sid, 'stanza-id'), 'id')
    // Not up to a place that nothing can have yet: all that comes would count as read
    if (!isArchiveId(id) || timeOf(id) > this.now() + CLOCKS_DIFFER_MS) return
    await Work.run(this.db, (work) => readTo(work, address, id))
  }

  private async settings(address: Address, payload: Xml): Promise<void> {
    const cleared = attribute(payload, 'cleared')
    // What comes from now on is never cleared, whatever stands there
    if (isOrder(cleared, this.now()) && timeOf(cleared) <= this.now() + CLOCKS_DIFFER_MS)
      await Work.run(this.db, (work) => clearTo(work, address, cleared))
    if (await this.db.fact(`unsynced settings ${address}`)) return
    const muted = attribute(payload, 'muted')
    const change = {
      pinned: Number(attribute(payload, 'pinned')) || 0,
      mutedUntil: muted === 'forever' ? Infinity : Number(muted) || 0,
      archived: attribute(payload, 'archived') === 'true',
      favourite: attribute(payload, 'favourite') === 'true',
      listed: attribute(payload, 'listed') === 'true'
    }
    const disappears = Math.max(0, secondsOf(attribute(payload, 'disappears')))
    const setAt = attribute(payload, 'timer-order')
    const timerOrder = isOrder(setAt, this.now()) ? setAt : ''
    await Work.run(this.db, async (work) => {
      // They may have set it since, which nobody but them has told
      const newer = timerOrder >= (await work.chat(address)).timerOrder
      await updateChat(work, address, { ...change, ...(newer && { disappears, timerOrder }) })
    })
  }
}

function made(chat: Chat): Made {
  const { pinned, mutedUntil, archived, favourite, listed, clearedTo, disappears, timerOrder } = chat
  return el('chat', {
    xmlns: NS.kithChats,
    pinned: pinned ? String(pinned) : undefined,
    muted: mutedUntil === Infinity ? 'forever' : mutedUntil ? String(mutedUntil) : undefined,
    archived: archived ? 'true' : undefined,
    favourite: favourite ? 'true' : undefined,
    listed: listed ? 'true' : undefined,
    cleared: clearedTo || undefined,
    disappears: disappears ? String(disappears) : undefined,
    'timer-order': isWaiting(timerOrder) ? undefined : timerOrder || undefined
  })
}

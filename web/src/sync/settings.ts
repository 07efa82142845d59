/**
 * Synchronizes chat settings between the user's devices: the read position (XEP-0490), and pinned, muted, archived,
 * favourite, cleared and disappearing messages in a private node of Kith's own (docs/web.md). Changes made offline are
 * recorded and published later.
 */
import type { Database } from '../local/database'
import { newChat } from '../local/chat'
import { readTo } from '../local/chats'
import { clearTo } from '../local/deletion'
import { isArchiveId, isOrder, isWaiting, timeOf } from '../local/order'
import { secondsOf } from '../local/timer'
import type { Address, Chat, Moment, Setting } from '../local/types'
import { Work } from '../local/work'
import { DEFAULT_TIMER } from './app'
import { type Item, itemsOf, publish } from '../xmpp/pubsub'
import type { Wire } from '../xmpp/wire'
import { domainOf } from '../xmpp/jid'
import { NS } from '../xmpp/ns'
import { attribute, child, el, type OutgoingXml, type Xml } from '../xmpp/xml'

/** The id of the item that belongs to no chat. */
const DEFAULT_ITEM = 'default'
const CLOCKS_DIFFER_MS = 60_000

export const SETTINGS_NODES: string[] = [NS.displayed, NS.kithChats]

export class ChatSettings {
  private working = false
  /** Facts may have changed since they were last read. */
  private changed = false
  /**
   * Whether the settings of the user's other devices were read in this session. Before that, nothing is published,
   * since it could overwrite them.
   */
  private loaded = false

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly wire: Wire,
    private readonly now: () => Moment
  ) {}

  /** A new session: other devices' settings are read before anything is published. */
  fresh(): void {
    this.loaded = false
  }

  /** Loads the settings of the user's other devices in a new session. */
  async load(): Promise<void> {
    for (const node of SETTINGS_NODES) await this.event(node, await itemsOf(this.wire, this.me, node))
    this.loaded = true
  }

  async event(node: string, items: Item[]): Promise<void> {
    for (const { id, payload } of items) {
      if (payload && node === NS.kithChats && id === DEFAULT_ITEM) await this.defaults(payload)
      // The server itself is the contact of a chat, too
      if (!payload || !(id.includes('@') || id === domainOf(this.me))) continue
      if (node === NS.displayed) await this.displayed(id, payload)
      else await this.settings(id, payload)
    }
  }

  /** Publishes what was changed here. */
  async flush(): Promise<void> {
    this.changed = true
    if (this.working || !this.loaded || !this.wire.online) return
    this.working = true
    try {
      // Changes made while this waits for the server are published as well
      while (this.changed) {
        this.changed = false
        await this.publishAll()
      }
    } catch {
      // It stays noted for the next session
    } finally {
      this.working = false
    }
  }

  private async publishAll(): Promise<void> {
    for (const { name, value } of await this.db.facts.where('name').startsWith('unsynced ').toArray()) {
      const [, what, address] = name.split(' ')
      if (!address) continue
      const chat = (await this.db.chats.get(address)) ?? newChat(address)
      if (what === 'default') await this.publishDefaults()
      else if (what === 'read') await this.publishRead(chat)
      else await publish(this.wire, NS.kithChats, address, made(chat), 'whitelist', true)
      await this.done(name, value)
    }
  }

  /** Removes the note after publishing, unless there was another change in the meantime. */
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
    // A read position in the future would mark new messages as read
    if (!isArchiveId(id) || timeOf(id) > this.now() + CLOCKS_DIFFER_MS) return
    await Work.run(this.db, (work) => readTo(work, address, id))
  }

  private async settings(address: Address, payload: Xml): Promise<void> {
    const cleared = attribute(payload, 'cleared')
    // A cleared position in the future would remove new messages
    if (isOrder(cleared, this.now()) && timeOf(cleared) <= this.now() + CLOCKS_DIFFER_MS)
      await Work.run(this.db, (work) => clearTo(work, address, cleared))
    const theirs = settingsOf(payload)
    const setAt = timesOf(payload, this.now())
    const disappears = Math.max(0, secondsOf(attribute(payload, 'disappears')))
    const timerSet = attribute(payload, 'timer-order')
    const timerOrder = isOrder(timerSet, this.now()) ? timerSet : ''
    const unsynced = await this.db.fact(`unsynced settings ${address}`)
    // Earlier versions set all settings at once
    if (!setAt && unsynced) return
    let behind = false
    await Work.run(this.db, async (work) => {
      const known = await work.chat(address)
      const chat = { ...known, setAt: notOfFuture(known.setAt ?? {}, this.now()) }
      const both = setAt ? newest(chat, theirs, setAt) : { ...theirs, setAt: {} }
      // Others may have changed it in the meantime without having told yet
      const newer = timerOrder >= chat.timerOrder && !unsynced
      const after = { ...chat, ...both, ...(newer && { disappears, timerOrder }) }
      behind =
        setAt !== undefined &&
        SETTINGS.some((setting) => (after[setting] || false) !== (theirs[setting] || false))
      const changed = newer && (chat.disappears !== disappears || chat.timerOrder !== timerOrder)
      if (changed || JSON.stringify(sharedOf(after)) !== JSON.stringify(sharedOf(chat))) work.setChat(after)
    })
    // Two devices have changed different settings at the same moment, and one overwrote the other's without knowing
    if (behind && !unsynced) await this.db.setFact(`unsynced settings ${address}`, crypto.randomUUID())
    if (behind) void this.flush()
  }
}

type Shared = Required<Pick<Chat, Setting>>

const SETTINGS: readonly Setting[] = [
  ...(['pinned', 'mutedUntil', 'archived', 'favourite', 'listed', 'mentionsMuted'] as const)
]

function settingsOf(payload: Xml): Shared {
  const muted = attribute(payload, 'muted')
  return {
    pinned: Number(attribute(payload, 'pinned')) || 0,
    mutedUntil: muted === 'forever' ? Infinity : Number(muted) || 0,
    archived: attribute(payload, 'archived') === 'true',
    favourite: attribute(payload, 'favourite') === 'true',
    listed: attribute(payload, 'listed') === 'true',
    mentionsMuted: attribute(payload, 'mentions-muted') === 'true'
  }
}

/**
 * When each setting was changed; undefined: the item is from a version that does not tell. Times in the future are
 * reduced to now.
 */
function timesOf(payload: Xml, now: Moment): NonNullable<Chat['setAt']> | undefined {
  if (!payload.attributes.has('set')) return undefined
  const parts = attribute(payload, 'set').split(' ')
  const times: NonNullable<Chat['setAt']> = {}
  for (const [at, setting] of SETTINGS.entries()) {
    const time = Number(parts[at])
    if (Number.isSafeInteger(time) && time > 0) times[setting] = time
  }
  return notOfFuture(times, now)
}

/** Reduces times in the future to now, so that later changes count even if a clock was wrong. */
function notOfFuture(times: NonNullable<Chat['setAt']>, now: Moment): NonNullable<Chat['setAt']> {
  const latest = now + CLOCKS_DIFFER_MS
  return Object.fromEntries(Object.entries(times).map(([setting, time]) => [setting, Math.min(time, latest)]))
}

/** Combines two versions: for each setting, the later one. */
function newest(chat: Chat, theirs: Shared, setAt: NonNullable<Chat['setAt']>): Shared & Pick<Chat, 'setAt'> {
  const both = sharedOf(chat)
  for (const setting of SETTINGS) {
    const [here, there] = [chat.setAt?.[setting] ?? 0, setAt[setting] ?? 0]
    if (there < here || (there === here && String(theirs[setting]) <= String(both[setting]))) continue
    Object.assign(both, { [setting]: theirs[setting] })
    if (there) both.setAt[setting] = there
  }
  return both
}

function sharedOf(chat: Chat): Shared & { setAt: NonNullable<Chat['setAt']> } {
  const { pinned, mutedUntil, archived, favourite = false, listed = false, mentionsMuted = false } = chat
  const setAt: NonNullable<Chat['setAt']> = {}
  for (const setting of SETTINGS) {
    const time = chat.setAt?.[setting]
    if (time) setAt[setting] = time
  }
  return { pinned, mutedUntil, archived, favourite, listed, mentionsMuted, setAt }
}

function made(chat: Chat): OutgoingXml {
  const { pinned, mutedUntil, archived, favourite, listed, clearedTo, disappears, timerOrder } = chat
  return el('chat', {
    xmlns: NS.kithChats,
    set: SETTINGS.map((setting) => chat.setAt?.[setting] ?? 0).join(' '),
    pinned: pinned ? String(pinned) : undefined,
    muted: mutedUntil === Infinity ? 'forever' : mutedUntil ? String(mutedUntil) : undefined,
    archived: archived ? 'true' : undefined,
    favourite: favourite ? 'true' : undefined,
    listed: listed ? 'true' : undefined,
    'mentions-muted': chat.mentionsMuted ? 'true' : undefined,
    cleared: clearedTo || undefined,
    disappears: disappears ? String(disappears) : undefined,
    'timer-order': isWaiting(timerOrder) ? undefined : timerOrder || undefined
  })
}

/**
 * What a history is made of when it leaves a device: records, each with a type and a version. A transfer to another
 * device and a backup carry the same ones (docs/protocol.md, "History"). Whoever reads them skips types and versions
 * that it does not know, and takes nothing for granted: what is read may be damaged or made to harm.
 */
import type {
  Address,
  Change,
  Edit,
  Failure,
  MessageKind,
  Moment,
  Progress,
  Reply,
  Version
} from '../local/types'
import { isArchiveId, isOrder } from '../local/order'
import { LARGEST_PICTURE } from '../local/picture'

/** Begins a history: whose it is, when it was made, and about how many messages follow. */
export interface AccountRecord {
  type: 'account'
  v: 1
  account: Address
  made: Moment
  total: number
}

/** What somebody shows of themselves. */
export interface ContactRecord {
  type: 'contact'
  v: 1
  address: Address
  nick: string
  about: string
  picture: string
}

/** `data`: the file in base64; `hash`: its SHA-1 in hex (XEP-0084). */
export interface PictureRecord {
  type: 'picture'
  v: 1
  hash: string
  mime: string
  data: string
}

export interface ChatRecord {
  type: 'chat'
  v: 1
  address: Address
  pinned: Moment
  /** -1: for ever. */
  muted: Moment
  archived: boolean
  favourite?: true
  disappears: number
  timerOrder: string
  readTo: string
  seenTo: string
  /** When they said that they have read up to `seenTo`. */
  seenAt?: Moment
  draft: string
}

/** `order` tells the place and the time of sending. Others' messages in a chat of two are from the other. */
export interface MessageRecord {
  type: 'message'
  v: 1
  chat: Address
  id: string
  mine: boolean
  order: string
  kind: Extract<MessageKind, 'text' | 'deleted' | 'notice'>
  text: string
  progress: Progress
  failure?: Failure
  encrypted: boolean
  /** The device of its author's that it came from encrypted, if that is not trusted. */
  untrusted?: number
  /** Its entry in the archive; others of the same sender may have the same id (`twins`). */
  archive?: string
  twins?: true
  reply?: Reply
  forwarded?: true
  unstyled?: true
  /** When it was last edited, and what it said before. */
  edited?: Moment
  edits?: Version[]
  deliveredAt?: Moment
  readAt?: Moment
  /** Until when it is pinned, and when that was said. */
  pinned?: Moment
  pinOrder?: string
  /** It is not here: this is what a correction has made of it. */
  standsIn?: true
  expires?: Moment
}

/** What was said about a message: an edit, a reaction, a pin, or that it was taken back; `alias`: another id of it. */
export interface ChangeRecord {
  type: 'change'
  v: 1
  chat: Address
  /** The message: its id, and whether it is mine; which of those with the same id. */
  of: string
  mine: boolean
  archive?: string
  kind: Exclude<Change['kind'], 'received' | 'displayed'>
  from: Address
  order: string
  encrypted: boolean
  id?: string
  text?: string
  unstyled?: true
  emojis?: string[]
  /** Of a pin: when it ends. */
  until?: Moment
  /** Edits before this one, in order. */
  earlier?: Edit[]
}

export interface StarRecord {
  type: 'star'
  v: 1
  chat: Address
  id: string
  mine: boolean
  archive?: string
}

/** Messages that were here and are to stay away: deleted by the person, or expired. */
export interface GoneRecord {
  type: 'gone'
  v: 1
  keys: string[]
}

/** Ends a history. `records`: how many came before. */
export interface EndRecord {
  type: 'end'
  v: 1
  records: number
}

export type HistoryRecord =
  | AccountRecord
  | ContactRecord
  | PictureRecord
  | ChatRecord
  | MessageRecord
  | ChangeRecord
  | StarRecord
  | GoneRecord
  | EndRecord

/** What one line holds: a record, one of a later version or of a type that is not known here, or nothing sound. */
export type Line = { is: 'record'; record: HistoryRecord } | { is: 'unknown'; type: string } | { is: 'bad' }

const LONGEST_ADDRESS = 3071
const LONGEST_ID = 2000
const LONGEST_TEXT = 300_000
const LONGEST_NAME = 1000
const MOST_EMOJIS = 20
const FAILURES: readonly Failure[] = ['no-device', 'undecided', 'distrusted', 'refused']
const MOST_GONE = 500
const MOST_EDITS = 100
const YEAR_MS = 31_536_000_000
const DAY_MS = 86_400_000
// eslint-disable-next-line no-control-regex
const ADDRESS = /^[^\u0000- /\u007f]+$/

class Unsound extends Error {}

/** Reads one record from JSON. `now`: by the server's clock; nothing is of a later time. */
export function lineOf(json: string, now: Moment): Line {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return { is: 'bad' }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { is: 'bad' }
  const given = new Fields(value as Record<string, unknown>, now)
  try {
    const type = given.text('type', LONGEST_NAME)
    const version = given.number('v')
    const read = Object.hasOwn(READERS, type) ? READERS[type as keyof typeof READERS] : undefined
    if (!read || version !== 1) return { is: 'unknown', type }
    return { is: 'record', record: read(given) }
  } catch (error) {
    if (error instanceof Unsound) return { is: 'bad' }
    throw error
  }
}

export function isAddress(text: unknown): text is Address {
  return typeof text === 'string' && text.length <= LONGEST_ADDRESS && ADDRESS.test(text)
}

/** Values of a JSON object, each checked as it is taken. All throw Unsound. */
class Fields {
  constructor(
    private readonly of: Record<string, unknown>,
    readonly now: Moment
  ) {}

  has(name: string): boolean {
    return Object.hasOwn(this.of, name) && this.of[name] !== undefined
  }

  text(name: string, longest: number): string {
    const value = this.own(name)
    if (typeof value !== 'string' || value.length > longest) throw new Unsound(name)
    return value
  }

  number(name: string, most = Number.MAX_SAFE_INTEGER, least = 0): number {
    const value = this.own(name)
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most)
      throw new Unsound(name)
    return value
  }

  flag(name: string): boolean {
    const value = this.own(name)
    if (typeof value !== 'boolean') throw new Unsound(name)
    return value
  }

  one<T extends string>(name: string, of: readonly T[]): T {
    const value = this.own(name)
    if (!of.includes(value as T)) throw new Unsound(name)
    return value as T
  }

  address(name: string): Address {
    const value = this.own(name)
    if (!isAddress(value)) throw new Unsound(name)
    return value
  }

  id(name: string): string {
    const id = this.text(name, LONGEST_ID)
    if (!id) throw new Unsound(name)
    return id
  }

  order(name: string): string {
    const order = this.text(name, LONGEST_ID)
    if (!isOrder(order, this.now)) throw new Unsound(name)
    return order
  }

  /** An entry of the archive, where one is told. */
  archive(): { archive?: string } {
    if (!this.has('archive')) return {}
    const archive = this.order('archive')
    if (!isArchiveId(archive)) throw new Unsound('archive')
    return { archive }
  }

  /** Empty: nowhere. */
  place(name: string): string {
    return this.own(name) === '' ? '' : this.order(name)
  }

  list(name: string, most: number): unknown[] {
    const value = this.own(name)
    if (!Array.isArray(value) || value.length > most) throw new Unsound(name)
    return value
  }

  inner(name: string): Fields {
    const value = this.own(name)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Unsound(name)
    return new Fields(value as Record<string, unknown>, this.now)
  }

  /** A flag that may be left out. */
  set(name: string): boolean {
    return this.has(name) && this.flag(name)
  }

  past(name: string): Moment {
    return this.number(name, this.now + DAY_MS)
  }

  /** A pin that does not end has no number in JSON. */
  future(name: string): Moment {
    return this.number(name, this.now + 100 * YEAR_MS)
  }

  inners(name: string, most: number): Fields[] {
    return this.list(name, most).map((_, at) =>
      new Fields({ one: this.list(name, most)[at] }, this.now).inner('one')
    )
  }

  private own(name: string): unknown {
    return Object.hasOwn(this.of, name) ? this.of[name] : undefined
  }
}

const READERS: { [T in HistoryRecord['type']]: (given: Fields) => Extract<HistoryRecord, { type: T }> } = {
  account: (given) => ({
    ...{ type: 'account', v: 1, account: given.address('account') },
    ...{ made: given.number('made'), total: given.number('total') }
  }),
  contact: (given) => ({
    ...{ type: 'contact', v: 1, address: given.address('address') },
    ...{ nick: given.text('nick', LONGEST_NAME), about: given.text('about', 10 * LONGEST_NAME) },
    picture: hashOf(given, 'picture', true)
  }),
  picture: (given) => {
    const mime = given.text('mime', 100)
    if (!/^image\/(?:png|jpeg|webp|gif|avif)$/.test(mime)) throw new Unsound('mime')
    const data = given.text('data', (LARGEST_PICTURE * 4) / 3 + 4)
    return { type: 'picture', v: 1, hash: hashOf(given, 'hash'), mime, data }
  },
  chat: (given) => ({
    ...{ type: 'chat', v: 1, address: given.address('address'), pinned: given.number('pinned') },
    ...{ muted: given.number('muted', undefined, -1), archived: given.flag('archived') },
    ...(given.set('favourite') && { favourite: true as const }),
    ...{ disappears: given.number('disappears', YEAR_MS / 1000), timerOrder: given.place('timerOrder') },
    ...{ readTo: given.place('readTo'), seenTo: given.place('seenTo') },
    ...(given.has('seenAt') && { seenAt: given.past('seenAt') }),
    draft: given.text('draft', LONGEST_TEXT)
  }),
  message: (given) => {
    const kind = given.one('kind', ['text', 'deleted', 'notice'])
    const text = given.text('text', LONGEST_TEXT)
    // Other notices tell what one device has seen of keys
    if (kind === 'notice' && !/^(?:disappears \d{1,9}|pinned)$/.test(text)) throw new Unsound('text')
    return {
      ...{ type: 'message', v: 1, chat: given.address('chat'), id: given.id('id'), mine: given.flag('mine') },
      ...{ order: given.order('order'), kind, text: kind === 'deleted' ? '' : text },
      progress: given.one('progress', ['failed', 'sent', 'delivered', 'read']),
      ...(given.has('failure') && { failure: given.one('failure', FAILURES) }),
      encrypted: given.flag('encrypted'),
      ...(given.has('untrusted') && { untrusted: given.number('untrusted', 2 ** 31 - 1) }),
      ...given.archive(),
      ...(given.set('twins') && { twins: true as const }),
      ...(given.has('reply') && { reply: replyOf(given.inner('reply')) }),
      ...(given.set('forwarded') && { forwarded: true as const }),
      ...(given.set('unstyled') && { unstyled: true as const }),
      ...(given.set('standsIn') && { standsIn: true as const }),
      ...(given.has('edited') && { edited: given.past('edited') }),
      ...(given.has('edits') && { edits: given.inners('edits', MOST_EDITS).map(versionOf) }),
      ...(given.has('deliveredAt') && { deliveredAt: given.past('deliveredAt') }),
      ...(given.has('readAt') && { readAt: given.past('readAt') }),
      ...(given.has('pinned') && { pinned: given.future('pinned') }),
      ...(given.has('pinOrder') && { pinOrder: given.order('pinOrder') }),
      ...(given.has('expires') && { expires: given.future('expires') })
    }
  },
  change: (given) => {
    const chat = given.address('chat')
    const emojis = given.has('emojis') ? given.list('emojis', MOST_EMOJIS) : undefined
    if (emojis?.some((one) => typeof one !== 'string' || one.length > 100)) throw new Unsound('emojis')
    return {
      ...{ type: 'change', v: 1, chat, of: given.id('of'), mine: given.flag('mine') },
      kind: given.one('kind', ['edit', 'retraction', 'reaction', 'pin', 'alias']),
      ...{ from: given.address('from'), order: given.order('order'), encrypted: given.flag('encrypted') },
      ...given.archive(),
      ...(given.has('id') && { id: given.id('id') }),
      ...(given.has('text') && { text: given.text('text', LONGEST_TEXT) }),
      ...(given.set('unstyled') && { unstyled: true as const }),
      ...(emojis && { emojis: emojis as string[] }),
      ...(given.has('until') && { until: given.future('until') }),
      ...(given.has('earlier') && { earlier: given.inners('earlier', MOST_EDITS).map(editOf) })
    }
  },
  star: (given) => ({
    ...{ type: 'star', v: 1, chat: given.address('chat'), id: given.id('id'), mine: given.flag('mine') },
    ...given.archive()
  }),
  gone: (given) => {
    const keys = given.list('keys', MOST_GONE)
    return { type: 'gone', v: 1, keys: keys.filter(isKey) }
  },
  end: (given) => ({ type: 'end', v: 1, records: given.number('records') })
}

function replyOf(given: Fields): Reply {
  return {
    ...{ id: given.id('id'), from: given.address('from'), text: given.text('text', LONGEST_TEXT) },
    ...(given.set('gone') && { gone: true as const }),
    ...(given.set('claimed') && { claimed: true as const })
  }
}

function versionOf(given: Fields): Version {
  return { text: given.text('text', LONGEST_TEXT), at: given.past('at') }
}

function editOf(given: Fields): Edit {
  return {
    ...{ order: given.order('order'), encrypted: given.flag('encrypted') },
    ...(given.has('id') && { id: given.id('id') }),
    ...(given.has('text') && { text: given.text('text', LONGEST_TEXT) }),
    ...(given.set('unstyled') && { unstyled: true })
  }
}

function hashOf(given: Fields, name: string, orNone = false): string {
  const hash = given.text(name, 40)
  if (!/^[0-9a-f]{40}$/.test(hash) && !(orNone && hash === '')) throw new Unsound(name)
  return hash
}

/** `Message.key`: an address, a space, and an id. */
function isKey(key: unknown): key is string {
  if (typeof key !== 'string' || key.length > LONGEST_ADDRESS + LONGEST_ID) return false
  const space = key.indexOf(' ')
  return space > 0 && space < key.length - 1 && isAddress(key.slice(0, space))
}

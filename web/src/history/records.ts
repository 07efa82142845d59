/**
 * The records that make up a history outside a device, each with a type and a version. Transfers to another device and
 * backups use the same ones (docs/protocol.md, "History"). Readers skip types and versions that they do not know and
 * trust no value: the input may be damaged or malicious.
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

/**
 * The records that make up a history outside a device, each with a type and a version. Transfers to another device and
 * backups use the same ones (docs/protocol.md, "History"). Readers skip types and versions that they do not know and
 * trust no value: the input may be damaged or malicious.
 */
import type {
  Address,
  CallEntry,
  Change,
  Edit,
  Failure,
  Mention,
  MessageKind,
  Moment,
  Poll,
  Progress,
  Reply,
  Version
} from '../local/types'

/** The start of a history: its account, when it was made, and the approximate number of messages. */
export interface AccountRecord {
  type: 'account'
  v: 1
  account: Address
  made: Moment
  total: number
}

/** The profile of somebody. */
export interface ContactRecord {
  type: 'contact'
  v: 1
  address: Address
  nick: string
  about: string
  picture: string
}

/** `data`: the file in base64; `hash`: its SHA-1 in hexadecimal (XEP-0084). */
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
  /** -1: without end. */
  muted: Moment
  archived: boolean
  favourite?: true
  disappears: number
  timerOrder: string
  readTo: string
  seenTo: string
  /** When they sent that they have read up to `seenTo`. */
  seenAt?: Moment
  draft: string
}

/** The notices that belong to a history; others are about keys that one device has seen. */
export const NOTICE = /^(?:disappears \d{1,9}|pinned)$/

/**
 * `order` gives the order and the time of sending. In a chat of two, messages of others are from the other person; in a
 * group, from `author`.
 */
export interface MessageRecord {
  type: 'message'
  v: 1
  chat: Address
  id: string
  mine: boolean
  author?: Address
  order: string
  kind: Extract<MessageKind, 'text' | 'deleted' | 'notice' | 'call'>
  /** Of `call`: what became of it. */
  call?: CallEntry
  text: string
  progress: Progress
  failure?: Failure
  encrypted: boolean
  /** The device of its author that has encrypted it, if that is not trusted. */
  untrusted?: number
  /** The id of its archive entry; other messages of the same sender may have the same id (`twins`). */
  archive?: string
  twins?: true
  reply?: Reply
  forwarded?: true
  /** The user's own server has sent it to everybody. */
  announcement?: true
  unstyled?: true
  /** The descriptor of a file, a contact or a place, as in messages (docs/media.md), without the caption. */
  media?: unknown[]
  /** It was viewed once, or listened to. */
  opened?: true
  /** The file is not encrypted. */
  plain?: true
  /** When it was last edited, and its earlier versions. */
  edited?: Moment
  edits?: Version[]
  deliveredAt?: Moment
  readAt?: Moment
  /** Until when it is pinned; `pinOrder`: the order of the message that has pinned it. */
  pinned?: Moment
  pinOrder?: string
  /** The original is missing: the text is from a correction of it. */
  standsIn?: true
  expires?: Moment
  /** In a group. */
  mentions?: Mention[]
  forMe?: true
  poll?: Poll
  /** Who has deleted it, and who has passed it on. */
  deletedBy?: Address
  passedBy?: Address
}

/** A change of a message: an edit, a reaction, a pin, a retraction, a vote, the end of a poll. */
export interface ChangeRecord {
  type: 'change'
  v: 1
  chat: Address
  /** The message: its id, whether it is mine, who has written it in a group, and which of those with the same id. */
  of: string
  mine: boolean
  author?: Address
  archive?: string
  kind: Exclude<Change['kind'], 'received' | 'displayed'>
  from: Address
  order: string
  encrypted: boolean
  id?: string
  text?: string
  unstyled?: true
  emojis?: string[]
  /** For a pin: when it ends. */
  until?: Moment
  /** Earlier edits, in order. */
  earlier?: Edit[]
  /** For a retraction by an admin: the group. */
  by?: Address
}

export interface StarRecord {
  type: 'star'
  v: 1
  chat: Address
  id: string
  mine: boolean
  author?: Address
  archive?: string
}

/** Messages that are not to be stored again: deleted by the person, or expired. */
export interface GoneRecord {
  type: 'gone'
  v: 1
  keys: string[]
}

/** The end of a history. `records`: the number of records before it. */
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

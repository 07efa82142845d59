/** What this device keeps of an account. Screens are drawn from these alone; `sync/` fills them. */

/** A bare JID, prepared: `+491701234567@example.org`. */
export type Address = string

/** Milliseconds since 1970, by the server's clock. */
export type Moment = number

/** How far a message of mine has come. */
export type Progress = 'waiting' | 'sent' | 'delivered' | 'read' | 'failed'

/**
 * Why a message of mine was not sent: they have no device that can read it; none that I have decided about since I
 * compared keys with them; I trust none; or it came back: nobody has the address, or they take nothing from me.
 */
export type Failure = 'no-device' | 'undecided' | 'distrusted' | 'refused'

/** What my devices share of a chat, each by itself. */
export type Setting = 'pinned' | 'mutedUntil' | 'archived' | 'favourite' | 'listed'

/** A conversation, as the list of chats shows it. */
export interface Chat {
  address: Address
  /** Of the newest message: the list's order. */
  at: Moment
  /** Key of the newest message, if there is one. */
  last: string
  unread: number
  /** Key of the first message that was not read when the chat was last left; empty: none. */
  firstUnread: string
  /** 0: not; else until when, `Infinity` for ever. */
  mutedUntil: Moment
  /** 0: not; else when it was pinned. */
  pinned: Moment
  archived: boolean
  favourite?: boolean
  /** When each of these was set, on whichever device of mine: the later one counts. */
  setAt?: Partial<Record<Setting, Moment>>
  /** It stays in the list though nothing is in it: it was cleared, and not deleted. */
  listed?: boolean
  /** All up to here was deleted, on all devices of mine; like `Message.order`. */
  clearedTo?: string
  draft: string
  /** The tab that has written it: others show it. */
  draftBy?: string
  /** Seconds after which new messages go, 0: never; and when that was said, like `Message.order`. */
  disappears: number
  timerOrder: string
  /** What they have said while one of mine waits: which of the two was last, its place will tell. */
  timerMeanwhile?: { seconds: number; order: string } | undefined
  /** Where the newest message stands, like `Message.order`. */
  order: string
  /** Up to where I have read, and up to where they have, like `Message.order`; empty: nowhere. */
  readTo: string
  seenTo: string
  /** When they said so: what they got later, as after it could not be read, they have not read by that. */
  seenAt?: Moment
  /** Where `firstUnread` stands. */
  firstOrder: string
}

/** Somebody in the contacts, or somebody who wrote. */
export interface Contact {
  address: Address
  /** What I call them; empty: nothing. */
  name: string
  /** What they call themselves (XEP-0172). */
  nick: string
  about: string
  /** SHA-1 of the picture in hex (XEP-0084), the key in `pictures`; empty: none. */
  picture: string
  subscription: 'none' | 'to' | 'from' | 'both'
  /** Whether I asked to see their presence, or they to see mine. */
  asked: boolean
  asks: boolean
  inRoster: boolean
  blocked: boolean
}

export interface Picture {
  hash: string
  data: Blob
}

/** An answer to another message (XEP-0461). */
export interface Reply {
  id: string
  from: Address
  text: string
  /** Its author has taken it back. */
  gone?: true
  /** It is not here: whoever answers says that this was written. */
  claimed?: true
}

export type MessageKind =
  | 'text'
  /**
   * Something that the app tells; `text` names it, for `strings/`: `keys-changed`, `keys-changed-verified`,
   * `disappears SECONDS` (0: not any more), `pinned`.
   */
  | 'notice'
  /** Can't be read (yet); `asked`: its sender's device is asked for it again. */
  | 'unreadable'
  /** Taken back by its sender (XEP-0424). */
  | 'deleted'

/** What an edited message said at first, or since an earlier edit. */
export interface Version {
  text: string
  at: Moment
}

export interface Message {
  /** `chat` + space + `id`, unique. A person's ids are their own, so for others' messages `id` is prefixed by `from`. */
  key: string
  chat: Address
  /** Where it stands in the conversation: sorts by (`at`, `order`). */
  at: Moment
  /** Its id in the own archive, padded to sort as text; what waits has `~` and a counter, behind all others. */
  order: string
  from: Address
  mine: boolean
  /** Its entry in the own archive, once that has told: another entry with the same `id` is another message. */
  archive?: string
  /** There are others of its sender with the same `id`; their keys are this one's, `#` and their entry. */
  twins?: true
  /** Origin id (XEP-0359): what receipts, replies, reactions, edits and deletions name. */
  id: string
  kind: MessageKind
  text: string
  progress: Progress
  failure?: Failure
  /** By whom, which emoji. */
  reactions: Record<Address, string[]>
  reply?: Reply
  forwarded?: boolean
  /** Marks like *these* are letters in it (XEP-0393). */
  unstyled?: boolean
  starred?: 0 | 1
  asked?: boolean
  /** When it was last changed (XEP-0308), and what it said before, the oldest first. */
  edited?: Moment
  edits?: Version[]
  /** Of mine: when a device of theirs had it, and when they said that they read up to it: see `readTime`. */
  deliveredAt?: Moment
  readAt?: Moment
  /** Until when it is pinned in its chat, 0: not any more; and when that was said, like `order`. */
  pinned?: Moment
  pinOrder?: string
  /** When it goes. */
  expires?: Moment
  /** It is not here, or can't be read: this is what a correction has made of it. */
  standsIn?: true
  /** Whether it came encrypted, and from a device that is trusted. */
  encrypted: boolean
  /** It came encrypted, from this device of its author's, which is not trusted. */
  untrusted?: number
}

/** A text that a message had after an edit; or an earlier reaction of mine. */
export type Edit = Pick<
  Change,
  'id' | 'order' | 'text' | 'unstyled' | 'encrypted' | 'emojis' | 'waits' | 'sent'
>

/**
 * What was said about a message: the newest of each kind and person counts. It is kept beside the message, since
 * it may come before it.
 */
export interface Change {
  /** `kind`, `target` and `from`, with spaces between them. */
  key: string
  /** Key of the message that it is about. */
  target: string
  /** `alias`: another id names the target as well, since it is that of a correction (`id`). */
  kind: 'edit' | 'retraction' | 'reaction' | 'received' | 'displayed' | 'pin' | 'alias'
  from: Address
  /** Like `Message.order`. */
  order: string
  /** Its own id; of a reaction that of the first one, by which it is taken back. */
  id?: string
  text?: string
  unstyled?: boolean
  /** Edits before this one, in order. */
  earlier?: Edit[]
  emojis?: string[]
  /** Of a pin: when it ends; 0: now. */
  until?: Moment
  /** Of mine: its place in the outbox, where it waits, and so is behind all others; and the id that it is sent with. */
  waits?: number
  sent?: string
  /** A change in the clear does not touch the text of an encrypted message. */
  encrypted: boolean
}

/**
 * Stanzas of one chat from the archive, or one that came while the archive is read: they wait to be decrypted. Some are
 * kept together, since each row costs the storage more than what is in it.
 */
export interface Raw {
  /** The last one's id in the own archive and the first one's, with a space between them. */
  id: string
  chat: Address
  /** 1: by me, from another device. */
  mine: 0 | 1
  count: number
  entries: { id: string; at: Moment; stanza: string }[]
}

/** What waits to be sent: in order, once, across restarts. The payload is encrypted when it is first sent. */
export interface Outgoing {
  /** Counts up; the order. */
  seq?: number
  to: Address
  id: string
  /** What to send: see `sync/outbox.ts`. */
  what: OutgoingContent
  tries: number
  /** The stanzas as they were made, before they left: the server may have them, so a retry is the very same. */
  made?: string[]
}

export type OutgoingContent =
  | {
      type: 'message'
      text: string
      reply?: Reply
      replaces?: string
      forwarded?: boolean
      unstyled?: boolean
      expires?: number
    }
  /** `from`: who wrote the message; `replaces`: my first reaction to it. */
  | { type: 'reaction'; of: string; from: Address; emojis: string[]; replaces?: string }
  | { type: 'retraction'; of: string }
  /** One for each of these messages. */
  | { type: 'marker'; of: string[]; kind: 'received' | 'displayed' }
  /** Pinned until then in the chat, or, with 0, not any more; `from`: who wrote the message. */
  | { type: 'pin'; of: string; from: Address; until: Moment }
  /** New messages of this chat go after so many seconds; 0: not any more. */
  | { type: 'timer'; seconds: number }
  /** To one device: send me that message again; and the answer to such a request. */
  | { type: 'resend'; of: string; device: number }
  | { type: 'resent'; of: string; device: number }

/** How this device logs in; from the HTTP API. */
export interface Credential {
  address: Address
  agent: string
  token: string
  mechanism: string
  device: string
}

/** The local storage of an account on this device. Screens are drawn from it alone; `sync/` fills it. */

import type { Media } from './media'

/** A bare JID, prepared: `+491701234567@example.org`. */
export type Address = string

/** Milliseconds since 1970, by the server's clock. */
export type Moment = number

/** The state of one of my messages. */
export type Progress = 'waiting' | 'sent' | 'delivered' | 'read' | 'failed'

/**
 * Why one of my messages was not sent: the recipient has no device that can read it; I have to decide about new
 * devices, since I have compared keys before; I trust none of their devices; it was refused, because the address does
 * not exist or accepts nothing from me; or the recipient's server can't be reached. Of a file: I have stopped the upload;
 * it is larger than the server accepts; my space there is full; or it is no longer on this device.
 */
export type Failure =
  | 'no-device'
  | 'undecided'
  | 'distrusted'
  | 'refused'
  | 'unreachable'
  | 'stopped'
  | 'too-large'
  | 'quota'
  | 'no-file'

/** My changes of messages that are sent to the others, and may fail. */
export type SentChange = 'edit' | 'reaction' | 'retraction' | 'pin'

/** What somebody is in a group (XEP-0045 §5.2). `none`: not in it, or not any more. */
export type Affiliation = 'owner' | 'admin' | 'member' | 'none' | 'outcast'

/** Who may do something in a group. */
export type Circle = 'members' | 'admins'

export interface GroupSettings {
  /** Only admins write. */
  announce: boolean
  /** Admins have to let people in who come by a link. */
  approve: boolean
  /** New members see what was said before they came. */
  history: boolean
  /** Who may add people, and who may change name and description. */
  invite: Circle
  change: Circle
  /** After how many seconds messages disappear; 0: never. */
  expire: number
  /** Members do not see each other's addresses. */
  anonymous: boolean
  /** Anybody finds it, or may enter it. */
  public: boolean
  open: boolean
}

/** The settings that can be changed. */
export type SettingsChange = Partial<
  Pick<GroupSettings, 'announce' | 'approve' | 'history' | 'invite' | 'change' | 'expire'>
>

/** A group, as far as this device knows it. Its name is also in `contacts`, where names are looked up. */
export interface Group {
  address: Address
  name: string
  description: string
  /** The SHA-1 of its picture in hexadecimal; empty: none. The picture that is shown is that of its row in `contacts`. */
  picture: string
  /** Increases with each change of the members; 0: nothing is known yet. */
  number: number
  /** What I am in it. */
  affiliation: Affiliation
  /** I am invited, and have not accepted. */
  invited: boolean
  /** Who has invited me; empty: unknown. */
  by: Address
  created: Moment
  creator: Address
  settings: GroupSettings
  /** Members whose addresses have changed, as the group says; `order`: of the notice. */
  moves?: Move[]
  /** Messages are not encrypted, since anybody may read the group. Never switched on for a group that was encrypted. */
  plain: boolean
}

/** Somebody has another address from this place on, like `Message.order`. */
export interface Move {
  from: Address
  to: Address
  order: string
}

/** Somebody in a group. */
export interface Member {
  /** `GROUP JID`. */
  key: string
  group: Address
  jid: Address
  affiliation: Affiliation
  /** What the group calls them, which is their address in it (XEP-0045). */
  nick: string
  since: Moment
  by: Address
  invited: boolean
}

/** What somebody has changed in a group. */
export interface GroupChange {
  by: Address
  members: {
    jid: Address
    affiliation: Affiliation
    was: Affiliation
    nick: string
    invited: boolean
    /** Their former address: they keep everything else. */
    moved?: Address
  }[]
  name?: string
  description?: string
  /** Somebody asks to come in, and what they call themselves. */
  asks?: Address
  nick?: string
  what?: 'settings' | 'avatar' | 'destroyed'
  /** The settings that were changed, as they are now. */
  settings?: SettingsChange
}

/** A part of a text that names somebody: from one Unicode code point to another, exclusive. `jid` empty: everybody. */
export interface Mention {
  jid: Address
  start: number
  end: number
}

export interface Poll {
  question: string
  options: { id: string; text: string }[]
  /** Several answers may be chosen. */
  several: boolean
}

/** The settings of a chat that are synchronized between my devices, each separately. */
export type Setting = 'pinned' | 'mutedUntil' | 'archived' | 'favourite' | 'listed' | 'mentionsMuted'

/** A chat, as the list of chats shows it. */
export interface Chat {
  address: Address
  /** The time of the newest message, by which the list is sorted. */
  at: Moment
  /** The key of the newest message, if there is one. */
  last: string
  unread: number
  /** The key of the first unread message when the chat was last left; empty: there was none. */
  firstUnread: string
  /** 0: not muted; else the time when muting ends, `Infinity` for ever. */
  mutedUntil: Moment
  /** While a group is muted, messages that mention me are muted as well. */
  mentionsMuted?: boolean
  /** 0: not pinned; else the time when it was pinned. */
  pinned: Moment
  archived: boolean
  favourite?: boolean
  /** When each setting was last changed, on any of my devices: the latest change wins. */
  setAt?: Partial<Record<Setting, Moment>>
  /** The chat was cleared, but not deleted, so it stays in the list without messages. */
  listed?: boolean
  /** Everything up to here was deleted on all my devices; like `Message.order`. */
  clearedTo?: string
  draft: string
  /** The tab that has written the draft; other tabs show it. */
  draftBy?: string
  /** After how many seconds new messages disappear, 0: never; and when this was set, like `Message.order`. */
  disappears: number
  timerOrder: string
  /**
   * A timer that they have set while one of my changes is waiting to be sent. Which of them is later is decided by their
   * order.
   */
  timerMeanwhile?: { seconds: number; order: string } | undefined
  /** The order of the newest message, like `Message.order`. */
  order: string
  /** How far I have read, and how far they have, like `Message.order`; empty: nothing. */
  readTo: string
  seenTo: string
  /**
   * When they have sent this. It does not cover a message that they received later, such as one that could not be read
   * at first.
   */
  seenAt?: Moment
  /** The order of `firstUnread`. */
  firstOrder: string
  /** How many unread messages are for me (`Message.forMe`), and the key of the first one. */
  mentions?: number
  firstMention?: string
  /** They have no encryption keys: whether I send them messages unencrypted. Never synchronized: each device asks. */
  keyless?: Keyless | undefined
}

export interface Keyless {
  /** I have agreed to send unencrypted; else I have to decide. */
  agreed: boolean
  /** They had keys before. */
  before: boolean
  since: Moment
  /** The fingerprints of theirs that were known when I agreed. */
  keys: string[]
}

/** Somebody in the contacts, or somebody who has written to me. */
export interface Contact {
  address: Address
  /** The name that I have given them; empty: none. */
  name: string
  /** The name that they have given themselves (XEP-0172). */
  nick: string
  about: string
  /** The SHA-1 of the picture in hexadecimal (XEP-0084), which is its key in `pictures`; empty: none. */
  picture: string
  subscription: 'none' | 'to' | 'from' | 'both'
  /** Whether I have requested a subscription to their presence, or they have requested one to mine. */
  asked: boolean
  asks: boolean
  inRoster: boolean
  blocked: boolean
}

export interface Picture {
  hash: string
  data: Blob
}

/** The quoted message of a reply (XEP-0461). */
export interface Reply {
  id: string
  from: Address
  text: string
  /** Its author has deleted it. */
  gone?: true
  /** It is not in the local storage: the text is what the author of the reply claims. */
  claimed?: true
}

/** A call in a conversation. Its messages (XEP-0353) on any of both sides' devices tell what became of it. */
export interface CallEntry {
  id: string
  video: boolean
  /**
   * `open`: it rings, or nobody has said how it ended. `missed`: nobody has answered it; `declined`, `busy`: by the one
   * who was called; `failed`: it was answered, and did not come about.
   */
  outcome: 'open' | 'missed' | 'declined' | 'busy' | 'answered' | 'failed'
  /** When it was answered, and how long it took, in seconds. */
  answered?: Moment
  seconds?: number
}

export type MessageKind =
  | 'text'
  /** A call: see `Message.call`. */
  | 'call'
  /**
   * A notice of the app. `text` is its key in `strings/`: `keys-changed`, `keys-changed-verified`, `disappears SECONDS`
   * (0: never), `pinned`, `unencrypted`, `encrypted-again`; `group`: see `Message.change`. Of somebody in a group, their
   * address follows.
   */
  | 'notice'
  /**
   * It can't be read (yet). `asked`: the sender's device was asked to send it again; `method`: it is encrypted with a
   * method that this app doesn't have.
   */
  | 'unreadable'
  /** Deleted by its sender (XEP-0424). */
  | 'deleted'

/** The text of an edited message before an edit. */
export interface Version {
  text: string
  at: Moment
}

export interface Message {
  /**
   * `chat` + space + `id`, unique. Ids are chosen by the sender, so for messages of others `id` is prefixed by `from`.
   */
  key: string
  chat: Address
  /** Messages are sorted by (`at`, `order`). */
  at: Moment
  /**
   * The id in my archive, padded so that it sorts as text. For messages that wait to be sent, `~` and a counter, so
   * that they come last.
   */
  order: string
  from: Address
  mine: boolean
  /**
   * The id of its entry in my archive, once it is known. An entry with another id is a different message, even if `id`
   * is the same.
   */
  archive?: string
  /**
   * There are other messages of the same sender with the same `id`. Their keys are this one's, `#` and the id of their
   * entry.
   */
  twins?: true
  /** The origin id (XEP-0359), which receipts, replies, reactions, edits and deletions refer to. */
  id: string
  kind: MessageKind
  text: string
  progress: Progress
  failure?: Failure
  /** The emojis, by who has chosen them. */
  reactions: Record<Address, string[]>
  reply?: Reply
  forwarded?: boolean
  /** The operators of the user's own server have sent it to everybody. */
  announcement?: boolean
  /** The text is shown without message styling (XEP-0393). */
  unstyled?: boolean
  starred?: 0 | 1
  asked?: boolean
  /** The name of the method; empty: the sender gave none. */
  method?: string
  /** When it was last edited (XEP-0308), and its earlier versions, the oldest first. */
  edited?: Moment
  edits?: Version[]
  /**
   * For my messages: when a device of theirs has received it, and when they have sent that they read up to it: see
   * `readTime`.
   */
  deliveredAt?: Moment
  readAt?: Moment
  /** My changes of it that were not sent, although they are shown here. `id`: the id that they were sent with. */
  unsent?: Partial<Record<SentChange, { id: string; failure: Failure }>>
  /** Until when it is pinned in its chat, 0: not pinned; and when this was set, like `order`. */
  pinned?: Moment
  pinOrder?: string
  /** When it disappears. */
  expires?: Moment
  /** The original is missing or can't be read: the text is from a correction of it. */
  standsIn?: true
  /** In a group: how many of how many members have received and read it. */
  counts?: { delivered: number; read: number; of: number }
  /** Who has deleted it for everybody, if that was not its author. */
  deletedBy?: Address
  /** A notice of the group. */
  change?: GroupChange
  mentions?: Mention[]
  /** In a group: it is from before I came, and an admin has passed it on. */
  passedBy?: Address
  /** In a group: it mentions me, or everybody, or answers a message of mine. */
  forMe?: true
  poll?: Poll
  /** A file, a contact or a place; the text is its caption. */
  media?: Media
  call?: CallEntry
  /** The author has closed the poll. */
  closed?: true
  /** The options that people have chosen. */
  votes?: Record<Address, string[]>
  /** Whether it was encrypted, by a device that is trusted. */
  encrypted: boolean
  /** It was encrypted by this device of its author, which is not trusted. */
  untrusted?: number
}

/** A text that a message had after an edit, or one of my earlier reactions. */
export type Edit = Pick<
  Change,
  'id' | 'order' | 'text' | 'unstyled' | 'encrypted' | 'emojis' | 'waits' | 'sent'
>

/**
 * A change of a message: the newest of each kind and person counts. It is stored separately, since it may arrive before
 * the message.
 */
export interface Change {
  /** `kind`, `target` and `from`, separated by spaces. */
  key: string
  /** The key of the message that is changed. */
  target: string
  /** `alias`: another id refers to the target as well, namely that of a correction (`id`). */
  kind: 'edit' | 'retraction' | 'reaction' | 'received' | 'displayed' | 'pin' | 'alias' | 'vote' | 'close'
  from: Address
  /** Like `Message.order`. */
  order: string
  /** Its own id. For a reaction, the id of the first one, which a later one replaces. */
  id?: string
  text?: string
  unstyled?: boolean
  /** Earlier edits, in order. */
  earlier?: Edit[]
  /** For a vote, the ids of the options. */
  emojis?: string[]
  /** For a pin: when it ends; 0: it is removed. */
  until?: Moment
  /** For a deletion by an admin: the group that says so. */
  by?: Address
  /**
   * For my changes that wait to be sent: the place in the outbox (they come after all others), and the id they are sent
   * with.
   */
  waits?: number
  sent?: string
  /** An unencrypted change does not change the text of an encrypted message. */
  encrypted: boolean
}

/**
 * Stanzas of a chat that wait to be decrypted: from the archive, or received while the archive is read. Several are
 * stored in one row, since a row costs more than its content.
 */
export interface Raw {
  /** The ids of the last and the first one in my archive, separated by a space. */
  id: string
  chat: Address
  /** 1: sent by me, from another device. */
  mine: 0 | 1
  count: number
  entries: { id: string; at: Moment; stanza: string }[]
}

/** A stanza to be sent: in order, once, even after a restart. The content is encrypted when it is first sent. */
export interface Outgoing {
  /** A counter, which gives the order. */
  seq?: number
  to: Address
  id: string
  /** The content: see `sync/outbox.ts`. */
  what: OutgoingContent
  tries: number
  /**
   * The stanzas as they were made, before they were sent. The server may have received them, so a retry has to be
   * identical.
   */
  made?: string[]
  /** For a group: the number of its members that it was encrypted for. */
  number?: number
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
      mentions?: Mention[]
      poll?: Poll
      media?: Media
      /** It waits until the server keeps the file for me, since somebody else has uploaded it. */
      claim?: true
    }
  /** For other apps: the caption of one of my messages, which Kith's apps already have. */
  | { type: 'caption'; of: string; text: string }
  /** For other devices running this app: nothing to show. */
  | { type: 'note'; note: Note }
  /** In a group: the options that I choose of a poll, or its end. `text`: the same in words, for other apps. */
  | { type: 'vote'; of: string; from: Address; options: string[]; text: string }
  | { type: 'close'; of: string; from: Address; text: string }
  /** `from`: the author of the message. `replaces`: my first reaction to it. */
  | { type: 'reaction'; of: string; from: Address; emojis: string[]; replaces?: string }
  | { type: 'retraction'; of: string }
  /** One marker for each of these messages. */
  | { type: 'marker'; of: string[]; kind: 'received' | 'displayed' }
  /** Pins a message in the chat until then, or, with 0, unpins it. `from`: the author of the message. */
  | { type: 'pin'; of: string; from: Address; until: Moment }
  /** New messages of this chat disappear after this many seconds; 0: never. */
  | { type: 'timer'; seconds: number }
  /** For one device: a request to send me this message again; and the answer to such a request. */
  | { type: 'resend'; of: string; device: number; group?: Address }
  | { type: 'resent'; of: string; device: number; group?: Address }

/**
 * What apps tell each other about media (docs/media.md): a voice message was listened to; a file is missing at the server
 * and should be uploaded again; it was.
 */
export type Note =
  | { heard: string }
  | { reupload: { id: string; url: string } }
  | { reuploaded: { id: string; url: string; at: string } }

/** The credential of this device, from the HTTP API. */
export interface Credential {
  address: Address
  agent: string
  token: string
  mechanism: string
  device: string
}

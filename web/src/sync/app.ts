/** The interface that screens use. `sync/` implements it; screens know neither streams nor stanzas. */
import type { CallAction, CallEvent, CallState } from '../calls/types'
import type { Fingerprint } from '../crypto/crypto'
import type { Progress, Restored } from '../history/backup'
import type { Phrase } from '../history/phrase'
import type { HistoryRecord } from '../history/records'
import type { Database } from '../local/database'
import type { GroupCalls } from './group-calls'
import type { Usage } from './slots'
import type { Media } from '../local/media'
import type { Audience } from '../local/statuses'
import type { Source } from '../media/source'
import type { SearchOptions } from '../local/search'
import type { Address, Mention, Moment, Poll, Reply, SentChange } from '../local/types'

export { NotAuthentic } from '../media/cipher'
export { DownloadFailed } from '../media/download'
export type { Usage } from './slots'

/** A fact: whether calls of people who are not accepted ring. */
export const STRANGERS_RING = 'calls.strangers'
/** A fact: whether calls go through a relay only, so that the other side does not learn the user's address. */
export const RELAY_ONLY = 'calls.relay-only'

export { Lost, NotConnected, Refused } from '../xmpp/errors'
export type { Asking, GroupCalls, GroupLink, GroupReceipt, NotAdded } from './group-calls'

export type Connection = 'offline' | 'connecting' | 'syncing' | 'online' | 'logged-out'

/** Transient state, which is never stored. */
export interface Live {
  connection: Connection
  /** Progress of a long catch-up, from 0 to 1; undefined: none is running. */
  progress: number | undefined
  /** By address; in a group, by the address of the group, a slash and that of the member. */
  typing: Record<Address, Moment>
  present: Record<Address, 'online' | 'away' | 'offline'>
  lastSeen: Record<Address, Moment>
  /** The operators have suspended the account: what the server says about that, in English; perhaps empty. */
  suspended?: string | undefined
  /** The calls that ring or go on in any tab. */
  calls?: readonly CallState[] | undefined
  /** Whether this tab owns the connection. */
  leads: boolean
}

export interface Readable<T> {
  subscribe(run: (value: T) => void): () => void
}

/** A fact: since when the account has a device that the user has not been told about. */
export const NEW_DEVICE = 'devices.new'

/** A fact in the local storage: how many messages this version could not handle (`sync/unhandled.ts`). */
export const UNHANDLED = 'aside'

/** The value of that fact. */
export interface Counted {
  /** How many messages could not be handled until now. */
  count: number
  /** How many of them the user has been told about. */
  told: number
}

/** A fact: the timer of new chats in seconds; 0: messages do not disappear. */
export const DEFAULT_TIMER = 'timer.default'

export type BackupPhrase = Exclude<Phrase, { is: 'mistyped' }>

export interface SendOptions {
  reply?: Reply
  forwarded?: boolean
  unstyled?: boolean
  /** In a group. */
  mentions?: Mention[]
  poll?: Poll
  /** A file, a contact or a place. `sendMedia` stores the file first. */
  media?: Media
  /** The server is to keep the file for the user, since somebody else has uploaded it. */
  claim?: true
  /** The draft that this message was written from, which is removed. Undefined: whatever the draft is. */
  draft?: string
}

/** Something to send. `data`: the file; `media` says everything else, without the file's keys. */
export interface MediaItem {
  media: Media
  caption?: string
  data?: Blob
  /** A small copy of a picture, for this device. */
  small?: Blob
  /** The ciphertext of `media.streams`, by name. It was encrypted with `media.key`. */
  streams?: Record<string, Blob>
}

/** The file is not on this device. */
export class NotHere extends Error {}

export interface LoadOptions {
  /** Only from this device; rejects with NotHere. */
  here?: boolean
  signal?: AbortSignal
  progress?(received: number, size: number | undefined): void
}

export interface EnterOptions extends SendOptions {
  /** Key of the message that the text replaces. */
  edits?: string
}

/**
 * The app for a logged-in account. Methods that change the local storage work offline and resolve when the change is stored.
 * Methods on contacts, and `setProfile`, need the server: they wait briefly for a connection, then reject with NotConnected.
 */
export interface App {
  /** The current time by the server's clock, to be compared with times of messages. */
  now(): Moment
  readonly db: Database
  readonly me: Address
  readonly live: Readable<Live>
  /** Id of this tab, for `Chat.draftBy`. */
  readonly tab: string

  send(chat: Address, text: string, options?: SendOptions): Promise<void>
  /**
   * Sends a text that was typed. If it is `kept`, it survives closing the page and may leave the composer; otherwise it must stay
   * there until `stored` resolves. If `stored` rejects, the text goes back to the composer.
   */
  enter(chat: Address, text: string, options: EnterOptions): { kept: boolean; stored: Promise<void> }
  /** Sends files, contacts or places, in order. Resolves when all are stored; the upload follows, also after a restart. */
  sendMedia(chat: Address, items: MediaItem[], options?: Pick<SendOptions, 'reply'>): Promise<void>
  /** Stops the upload of a message. `retry` goes on with it. */
  stopUpload(key: string): Promise<void>
  /** The file of a message, from this device or the server. Rejects with DownloadFailed or NotAuthentic. */
  file(key: string, options?: LoadOptions): Promise<Blob>
  /**
   * A small copy of a picture on this device, for conversations, by the id of the file (`fileOf`). Rejects with NotHere, or
   * NoPicture.
   */
  smallPicture(id: string): Promise<Blob>
  /** The ciphertext of a rendition of a video, read while it plays. */
  rendition(key: string, name: string): Pick<Source, 'read'>
  /** The content of a large file, read and authenticated piece by piece. */
  largeFile(key: string): Promise<Source>
  /** A voice message was listened to here: its sender and the user's other devices are told. */
  heard(key: string): Promise<void>
  /** Asks who has sent a file that is gone from the server to upload it again. */
  askForFile(key: string): Promise<void>
  /** Where this page gets a file, by its canonical address; through the own server if it lies on another. */
  mediaAddress(url: string): Promise<string>
  /** The space that the user's files take on the server. */
  usage(): Promise<Usage>
  /** A picture that can be viewed once was viewed: it is removed here, and its sender is told. */
  viewedOnce(key: string): Promise<void>
  edit(key: string, text: string): Promise<void>
  react(key: string, emojis: string[]): Promise<void>
  deleteForEveryone(key: string): Promise<void>
  deleteForMe(keys: string[]): Promise<void>
  forward(keys: string[], chats: Address[]): Promise<void>
  retry(key: string): Promise<void>
  /** Sends one of the changes in `Message.unsent` again, or takes it back. */
  retryChange(key: string, kind: SentChange): Promise<void>
  undoChange(key: string, kind: SentChange): Promise<void>
  star(key: string, on: boolean): Promise<void>
  /** The user has read all messages up to this one. */
  read(chat: Address, key: string): Promise<void>
  markUnread(chat: Address): Promise<void>
  typing(chat: Address, on: boolean): void
  /** Asks something of a group. Needs the server, as methods on contacts do; rejects with Refused if it is not allowed. */
  group<K extends keyof GroupCalls>(action: K, ...args: Parameters<GroupCalls[K]>): ReturnType<GroupCalls[K]>
  /** Chooses options of a poll; none takes the vote back. */
  vote(key: string, options: string[]): Promise<void>
  closePoll(key: string): Promise<void>

  draft(chat: Address, text: string): Promise<void>
  /** Saves the draft synchronously, for when the page is being closed. */
  keepDraft(chat: Address, text: string): void
  mute(chat: Address, until: Moment): Promise<void>
  /** Whether messages of a muted group that mention the user are muted as well. */
  muteMentions(chat: Address, on: boolean): Promise<void>
  pin(chat: Address, on: boolean): Promise<void>
  archive(chat: Address, on: boolean): Promise<void>
  disappear(chat: Address, seconds: number): Promise<void>
  favourite(chats: Address[], on: boolean): Promise<void>
  /** Deletes all messages of the chats on all of the user's devices; with `remove` also the chats themselves. */
  clear(chats: Address[], remove?: boolean): Promise<void>
  /** Marks these chats, or all of them, as read. */
  readAll(chats?: Address[]): Promise<void>
  /** Pins a message for both sides for a number of seconds; 0 unpins it. */
  pinMessage(key: string, seconds: number): Promise<void>
  /** Sets the timer of new chats, in seconds; 0 switches it off. */
  setDefaultTimer(seconds: number): Promise<void>
  /** Fetches older messages of a chat from the server. Resolves to false if there are no more. */
  older(chat: Address): Promise<boolean>
  search(text: string, chat?: Address, limit?: number, options?: SearchOptions): Promise<string[]>

  addContact(address: Address, name: string): Promise<void>
  renameContact(address: Address, name: string): Promise<void>
  removeContact(address: Address): Promise<void>
  acceptContact(address: Address): Promise<void>
  block(address: Address, on: boolean): Promise<void>
  report(address: Address, reason: 'spam' | 'abuse', keys: string[], block: boolean): Promise<void>
  askLastSeen(address: Address): Promise<void>
  /** The user has been told about the messages that could not be handled. */
  acknowledgeUnhandled(): Promise<void>

  setProfile(profile: { nick?: string; about?: string; picture?: Blob | null }): Promise<void>
  /** Whether the account has a device that can receive messages. Rejects if that is unknown and the server can't be asked. */
  hasDevices(account: Address): Promise<boolean>
  fingerprints(account: Address): Promise<Fingerprint[]>
  safetyNumber(account: Address): Promise<string>
  safetyCode(account: Address): Promise<string>
  compareCode(account: Address, scanned: string): Promise<boolean>
  setTrust(account: Address, device: number, trust: 'verified' | 'first-use' | 'distrusted'): Promise<void>
  /**
   * Sends messages to somebody without encryption keys unencrypted, until they have keys; also those that failed for that
   * reason. `on` false: not any more, or not yet.
   */
  sendUnencrypted(chat: Address, on: boolean): Promise<void>

  /**
   * Transfer of the history from another device of the account (`history/`): requesting it, confirming the number that both
   * devices show, deciding on a request (resolves to false if the device has another key by now), and continuing or stopping
   * transfers. Their state is in the local storage.
   */
  wantHistory(on: boolean): Promise<void>
  compareHistory(device: number, same: boolean): Promise<void>
  decideHistory(device: number, agree: boolean): Promise<boolean>
  takeHistory(): Promise<void>
  stopTaking(): Promise<void>
  stopGiving(id: string): Promise<void>

  /** Creates an encrypted backup of all chats and messages. */
  backup(phrase: BackupPhrase, progress: Progress): Promise<Blob>
  /** Merges a backup into the history. `former`: an address that the user says was theirs. Rejects with NotRestored. */
  restore(file: Blob, key: string, progress: Progress, former?: Address): Promise<Restored>
  /** Merges records into the history, for `restore`. Resolves to the number of new messages. */
  mergeRecords(records: HistoryRecord[]): Promise<number>

  /** All data on this device as JSON, without keys. */
  export(): Promise<Blob>
  /** Ends this device's login at the server, if it can be reached, and deletes all local data. */
  logOut(): Promise<void>
  /** Whether the page is visible, for client state indication (XEP-0352) and presence. */
  visible(on: boolean): void
  /** Has the tab that leads the connection do something about a call. What it resolves to depends on the action. */
  call(action: CallAction): Promise<unknown>
  /** Calls `listener` for each event of a call of this tab. Returns a function that unsubscribes. */
  onCall(listener: (event: CallEvent) => void): () => void
  /** Shows a text for a day to an audience, which is remembered. `forward`: whether others may forward it. */
  postStatus(text: string, color: string, audience: Audience, forward: boolean): Promise<void>
  /** Of the user's own statuses: sends one again that was refused, or deletes one for everyone. */
  retryStatus(id: string): Promise<void>
  deleteStatus(id: string): Promise<void>
  /** A status of somebody was shown. */
  statusSeen(author: Address, id: string): Promise<void>
  /** Statuses of a person come last, on this device. */
  muteStatus(author: Address, on: boolean): Promise<void>
  /** Calls `listener` for each new message that deserves a notification. Returns a function that unsubscribes. */
  onNews(listener: (news: { chat: Address; key: string; text: string }) => void): () => void
}

/** What screens can ask for. `sync/` keeps these promises; no screen knows of streams or stanzas. */
import type { Fingerprint } from '../crypto/crypto'
import type { Progress, Restored } from '../history/backup'
import type { Phrase } from '../history/phrase'
import type { HistoryRecord } from '../history/records'
import type { Database } from '../local/database'
import type { SearchOptions } from '../local/search'
import type { Address, Moment, Reply } from '../local/types'

export { Lost, NotConnected } from '../xmpp/errors'

export type Connection = 'offline' | 'connecting' | 'syncing' | 'online' | 'logged-out'

/** What is true now and never stored. A Svelte-independent store: `subscribe` is called at once and on change. */
export interface Live {
  connection: Connection
  /** Of a catch-up that takes long: 0 to 1; undefined: none. */
  progress: number | undefined
  typing: Record<Address, Moment>
  present: Record<Address, 'online' | 'away' | 'offline'>
  lastSeen: Record<Address, Moment>
  /** Another tab holds the connection; this one reads and writes the same local storage. */
  leads: boolean
}

export interface Readable<T> {
  subscribe(run: (value: T) => void): () => void
}

/** A fact in the local storage: since when my account has a device that the person has not been shown. */
export const NEW_DEVICE = 'devices.new'

/** A fact in the local storage: messages that this version of the app could not handle (`sync/aside.ts`). */
export const ASIDE = 'aside'

/** The value of that fact. */
export interface Counted {
  /** Of all that could not be handled and still can't. */
  count: number
  /** The person has been told of so many. */
  told: number
}

/** A fact: after how many seconds messages of new chats disappear; 0: never. */
export const DEFAULT_TIMER = 'timer.default'

export type BackupPhrase = Exclude<Phrase, { is: 'mistyped' }>

export interface SendOptions {
  reply?: Reply
  forwarded?: boolean
  unstyled?: boolean
  /** The draft of the chat that this was: it goes. Undefined: whichever there is. */
  draft?: string
}

export interface EnterOptions extends SendOptions {
  /** Key of the message that is corrected by the text. */
  edits?: string
}

/**
 * Methods that write into the local storage work offline and return when that is done. Those on contacts, and `setProfile`,
 * are the server's: they wait a moment for a connection, then reject with NotConnected.
 */
export interface App {
  /** The time by the server's clock: what messages and the server date is compared with it. */
  now(): Moment
  readonly db: Database
  readonly me: Address
  readonly live: Readable<Live>
  /** Which of the tabs this is: see `Chat.draftBy`. */
  readonly tab: string

  send(chat: Address, text: string, options?: SendOptions): Promise<void>
  /**
   * For what is typed. `kept`: the text survives the end of the page from now on, and may leave the composer; otherwise it
   * has to stay there until it is `stored`. If that is rejected the text is the composer's again.
   */
  enter(chat: Address, text: string, options: EnterOptions): { kept: boolean; stored: Promise<void> }
  edit(key: string, text: string): Promise<void>
  react(key: string, emojis: string[]): Promise<void>
  deleteForEveryone(key: string): Promise<void>
  deleteForMe(keys: string[]): Promise<void>
  forward(keys: string[], chats: Address[]): Promise<void>
  retry(key: string): Promise<void>
  star(key: string, on: boolean): Promise<void>
  /** All up to here were seen by the person. */
  read(chat: Address, key: string): Promise<void>
  markUnread(chat: Address): Promise<void>
  typing(chat: Address, on: boolean): void

  draft(chat: Address, text: string): Promise<void>
  /** The same at the end of the page, when there is no time to wait. */
  keepDraft(chat: Address, text: string): void
  mute(chat: Address, until: Moment): Promise<void>
  pin(chat: Address, on: boolean): Promise<void>
  archive(chat: Address, on: boolean): Promise<void>
  disappear(chat: Address, seconds: number): Promise<void>
  favourite(chats: Address[], on: boolean): Promise<void>
  /** Deletes what is in the chats on all of one's own devices; with `remove` they leave the list, too. */
  clear(chats: Address[], remove?: boolean): Promise<void>
  /** All chats, or these. */
  readAll(chats?: Address[]): Promise<void>
  /** Shows a message above its chat for so long, on both sides; 0: not any more. */
  pinMessage(key: string, seconds: number): Promise<void>
  /** Messages of chats that begin from now on disappear after so long; 0: never. */
  setDefaultTimer(seconds: number): Promise<void>
  /** Reads older messages of a chat from the server; false: there are no more. */
  older(chat: Address): Promise<boolean>
  search(text: string, chat?: Address, limit?: number, options?: SearchOptions): Promise<string[]>

  addContact(address: Address, name: string): Promise<void>
  renameContact(address: Address, name: string): Promise<void>
  removeContact(address: Address): Promise<void>
  acceptContact(address: Address): Promise<void>
  block(address: Address, on: boolean): Promise<void>
  report(address: Address, reason: 'spam' | 'abuse', keys: string[], block: boolean): Promise<void>
  askLastSeen(address: Address): Promise<void>
  /** The person knows of the messages that could not be handled. */
  asideTold(): Promise<void>

  setProfile(profile: { nick?: string; about?: string; picture?: Blob | null }): Promise<void>
  /** Whether anybody there has a device that can be written to. Rejects if that is not known here and the server can't be asked. */
  hasDevices(account: Address): Promise<boolean>
  fingerprints(account: Address): Promise<Fingerprint[]>
  safetyNumber(account: Address): Promise<string>
  safetyCode(account: Address): Promise<string>
  compareCode(account: Address, scanned: string): Promise<boolean>
  setTrust(account: Address, device: number, trust: 'verified' | 'first-use' | 'distrusted'): Promise<void>

  /**
   * The history from another device of mine (`history/`): whether the person wants to ask for it, what they say of the number
   * that both devices show, here and on the one that was asked (false: it has another key by now), and that a transfer goes
   * on or ends. How far all that is, is in the local storage.
   */
  wantHistory(on: boolean): Promise<void>
  compareHistory(device: number, same: boolean): Promise<void>
  decideHistory(device: number, agree: boolean): Promise<boolean>
  takeHistory(): Promise<void>
  stopTaking(): Promise<void>
  stopGiving(id: string): Promise<void>

  /** An encrypted file of all chats and messages. */
  backup(phrase: BackupPhrase, progress: Progress): Promise<Blob>
  /** Takes a backup in, beside what is here. Rejects with NotRestored. */
  /** Puts a backup into the history; `former`: an address that the person says was theirs. Rejects with NotRestored. */
  restore(file: Blob, key: string, progress: Progress, former?: Address): Promise<Restored>
  /** Of `restore`: puts records into the history; returns how many messages are new. */
  mergeRecords(records: HistoryRecord[]): Promise<number>

  /** Everything that this device has, as JSON. */
  export(): Promise<Blob>
  /** Ends the device's login at the server if it can be reached, and wipes everything here. */
  logOut(): Promise<void>
  /** The page is seen or not: client state (XEP-0352), notifications. */
  visible(on: boolean): void
  /** For notifications: called for each new message of others that should be told. */
  onNews(listener: (news: { chat: Address; key: string; text: string }) => void): () => void
}

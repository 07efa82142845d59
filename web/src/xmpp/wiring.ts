/** What a connection depends on, and the events that it reports. */
import type { Credential } from '../local/types'
import type { Xml } from './xml'

export interface ConnectionDeps {
  url: string
  WebSocket: typeof WebSocket
  /** What the device is called in the account's list. */
  device: string
  credential(): Promise<Credential | undefined>
  /** The token that counts from now on; it is used when this has resolved. */
  renewed(token: string): Promise<void>
  connecting(): void
  /** `newest`: of a new session, the newest entry of the archive; undefined: the old session goes on. */
  online(newest: string | undefined): void
  offline(): void
  revoked(): void
  /** The largest stanza that the server takes, in bytes (XEP-0478). */
  limit(bytes: number): void
  /** One after the other; a stanza is acknowledged when its promise has resolved. */
  stanza(stanza: Xml): Promise<void> | void
  /** What looks like a stanza, but is no XML. */
  unreadable(text: string): Promise<void>
  /** Results of a query of the archive are told at once, beside the others. */
  result(result: Xml): void
}

/** What a connection depends on, and the events that it reports. */
import type { Credential } from '../local/types'
import type { Xml } from './xml'

export interface ConnectionDeps {
  url: string
  WebSocket: typeof WebSocket
  /** The name of this device in the account's list of devices. */
  device: string
  credential(): Promise<Credential | undefined>
  /** Stores a new token. The connection uses it only after this has resolved. */
  renewed(token: string): Promise<void>
  connecting(): void
  /** `newest`: for a new session, the id of the newest archive entry; undefined: the session was resumed. */
  online(newest: string | undefined): void
  offline(): void
  revoked(): void
  /** The account can't be used at present. `reason`: what the server says about that. */
  suspended(reason: string): void
  /** The largest stanza that the server accepts, in bytes (XEP-0478). */
  limit(bytes: number): void
  /** Called one at a time. A stanza is acknowledged when the promise resolves. */
  stanza(stanza: Xml): Promise<void> | void
  /** Called with a stanza that is not well-formed. */
  unreadable(text: string): Promise<void>
  /** Called at once with each archive result, independently of other stanzas. */
  result(result: Xml): void
}

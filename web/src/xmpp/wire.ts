/** The part of the connection that `sync/` uses. */
import type { OutgoingXml, Xml } from './xml'

export interface Wire {
  readonly online: boolean
  /** The full address in the current session. */
  readonly jid: string
  /** Resolves when the server has acknowledged the stanza. Rejects with NotConnected or Lost. */
  send(stanza: OutgoingXml): Promise<void>
  tell(stanza: OutgoingXml): void
  request(type: 'get' | 'set', to: string, payload: OutgoingXml, timeout?: number): Promise<Xml>
}

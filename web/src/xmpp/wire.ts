/** What the parts of this layer need of the stream. */
import type { Made, Xml } from './xml'

export interface Wire {
  readonly online: boolean
  /** The full address in the current session. */
  readonly jid: string
  /** Resolves when the server has the stanza. Rejects with NotConnected or Lost. */
  send(stanza: Made): Promise<void>
  tell(stanza: Made): void
  request(type: 'get' | 'set', to: string, payload: Made, timeout?: number): Promise<Xml>
}

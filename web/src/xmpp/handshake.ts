/** The login on a new stream, until the server has accepted or refused it. */
import type { Credential } from '../local/types'
import {
  authenticate,
  isRevoked,
  type LoggedIn,
  offersToken,
  type Resumable,
  stanzaLimit,
  success,
  suspension
} from './login'
import { first, type OutgoingXml, type Xml } from './xml'

export interface HandshakeDeps {
  device: string
  credential(): Promise<Credential | undefined>
  renewed(token: string): Promise<void>
  limit(bytes: number): void
}

/** What to do after an element of the server. `nothing`: the handshake continues. */
export type Outcome =
  | { type: 'nothing' | 'revoked' | 'closed' }
  | { type: 'request'; request: OutgoingXml }
  | { type: 'suspended'; reason: string }
  | { type: 'logged-in'; login: LoggedIn }

/**
 * Handles an element that arrives before the login is done. `resume`: called once, returns the session to continue;
 * `active`: whether the user looks at the app (XEP-0352). Rejects if the server can't be used, or does not know the
 * token.
 */
export async function handshake(
  element: Xml,
  deps: HandshakeDeps,
  resume: () => Resumable | undefined,
  active: boolean
): Promise<Outcome> {
  const { name } = element
  if (name === 'features') {
    const limit = stanzaLimit(element)
    if (limit !== undefined) deps.limit(limit)
    const credential = await deps.credential()
    if (!credential) return { type: 'nothing' }
    if (!offersToken(element, credential.mechanism)) throw new Error('no token login')
    return { type: 'request', request: await authenticate(credential, deps.device, resume(), active) }
  }
  if (name === 'success') {
    const credential = await deps.credential()
    const login = credential && (await success(element, credential))
    if (!login) throw new Error('not the server that this device knows')
    if (login.token !== undefined) await deps.renewed(login.token)
    return { type: 'logged-in', login }
  }
  if (name === 'failure') {
    if (isRevoked(element)) return { type: 'revoked' }
    const reason = suspension(element)
    if (reason !== undefined) return { type: 'suspended', reason }
    throw new Error(first(element)?.name ?? 'failure')
  }
  return { type: name === 'error' || name === 'close' ? 'closed' : 'nothing' }
}

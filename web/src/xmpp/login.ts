/**
 * Logs in with a single request: SASL2 (XEP-0388) with a token (XEP-0484), Bind 2 (XEP-0386) and resumption (XEP-0198).
 */
import type { Credential } from '../local/types'
import { equalBytes } from '@noble/ciphers/utils.js'
import { base64 } from '@scure/base'
import { fromBase64 } from '../local/bytes'
import { cleanAbout } from '../local/names'
import { localOf } from './jid'
import { NS } from './ns'
import { attribute, child, children, el, elements, first, type OutgoingXml, textOf, type Xml } from './xml'

const SASL = 'urn:ietf:params:xml:ns:xmpp-sasl'
/** Conditions that end the login of this device; others are temporary. */
const REVOKED = ['not-authorized', 'credentials-expired']
/** The maximum length of what the server tells about a suspension. */
const LONGEST_REASON = 500

export interface Resumable {
  id: string
  handled: number
}

export interface LoggedIn {
  /** The full address. */
  jid: string
  /** For a resumed session: how many stanzas the server has received. Undefined: it is a new session. */
  resumed: number | undefined
  /** The id for resuming the session later; empty: it can't be resumed. */
  resumption: string
  /** A new token, which replaces the current one. */
  token: string | undefined
  /** For a new session: the id of the newest archive entry; empty: there is none. */
  newest: string
}

/** The largest stanza that the server accepts, in bytes (XEP-0478); undefined: it does not tell. */
export function stanzaLimit(features: Xml): number | undefined {
  const most = child(child(features, NS.limits, 'limits'), NS.limits, 'max-bytes')
  return most && Number(textOf(most))
}

/** Whether the server accepts tokens with this mechanism. */
export function offersToken(features: Xml, mechanism: string): boolean {
  const inline = child(child(features, NS.sasl2, 'authentication'), NS.sasl2, 'inline')
  const offered = children(child(inline, NS.fast, 'fast'), NS.fast, 'mechanism')
  return offered.some((one) => textOf(one) === mechanism)
}

export async function authenticate(
  { address, agent, token, mechanism }: Credential,
  device: string,
  resume: Resumable | undefined,
  active: boolean
): Promise<OutgoingXml> {
  const user = new TextEncoder().encode(localOf(address))
  const proof = await digest(token, 'Initiator')
  const response = new Uint8Array([...user, 0, ...proof])
  return el(
    'authenticate',
    { xmlns: NS.sasl2, mechanism },
    el('initial-response', {}, base64.encode(response)),
    el('user-agent', { id: agent }, el('software', {}, 'Kith'), el('device', {}, device)),
    el('fast', { xmlns: NS.fast }),
    resume && el('resume', { xmlns: NS.sm, previd: resume.id, h: String(resume.handled) }),
    el(
      'bind',
      { xmlns: NS.bind },
      el('tag', {}, 'Kith'),
      el('enable', { xmlns: NS.carbons }),
      el('enable', { xmlns: NS.sm, resume: 'true' }),
      el('groupchat', { xmlns: NS.groups }),
      el('status', { xmlns: NS.status }),
      !active && el('inactive', { xmlns: NS.csi })
    )
  )
}

/** Parses `<success/>`; undefined: the server does not know the token. */
export async function success(element: Xml, { token }: Credential): Promise<LoggedIn | undefined> {
  const proof = fromBase64(textOf(child(element, NS.sasl2, 'additional-data')))
  if (!equalBytes(proof, await digest(token, 'Responder'))) return undefined
  const resumed = child(element, NS.sm, 'resumed')
  const bound = child(element, NS.bind, 'bound')
  const enabled = child(bound, NS.sm, 'enabled')
  const end = child(child(bound, NS.mam, 'metadata'), NS.mam, 'end')
  return {
    jid: textOf(child(element, NS.sasl2, 'authorization-identifier')),
    resumed: resumed && Number(attribute(resumed, 'h')),
    resumption: attribute(enabled, 'id'),
    token: child(element, NS.fast, 'token')?.attributes.get('token'),
    newest: attribute(end, 'id')
  }
}

export function isRevoked(failure: Xml): boolean {
  return REVOKED.includes(first(failure)?.name ?? '')
}

/**
 * What the server tells about why the account can't be used at present (RFC 6120 §6.5.1); undefined: that is not the
 * reason. The login stays valid.
 */
export function suspension(failure: Xml): string | undefined {
  if (!child(failure, SASL, 'account-disabled')) return undefined
  return cleanAbout(textOf(elements(failure).find(({ name }) => name === 'text'))).slice(0, LONGEST_REASON)
}

async function digest(token: string, text: string): Promise<Uint8Array> {
  const encoder = new TextEncoder()
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', encoder.encode(token), hmac, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, encoder.encode(text)))
}

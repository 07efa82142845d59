/**
 * Recognizes messages in an encryption that this app doesn't have: by their elements, by what they announce (XEP-0380),
 * or by the text of OTR. Otherwise, a message without a body would not appear at all.
 */
import { cleanName } from '../local/names'
import { isBlank } from '../local/words'
import { NS } from './ns'
import { attribute, child, elements, type Xml } from './xml'

/** What people call the methods, by namespace. This app has one of the versions of OMEMO, so these are told apart. */
const METHODS: Readonly<Record<string, string>> = {
  [NS.omemo]: 'OMEMO',
  'urn:xmpp:omemo:0': 'OMEMO 0',
  'urn:xmpp:omemo:1': 'OMEMO 1',
  'urn:xmpp:omemo:2': 'OMEMO 2',
  'jabber:x:encrypted': 'PGP',
  'urn:xmpp:openpgp:0': 'OpenPGP',
  'urn:xmpp:otr:0': 'OTR'
}
/** The names of the elements with encrypted content. */
const ELEMENTS = ['encrypted', 'x', 'openpgp']
/** The beginning of an OTR data message, versions 2 and 3, or of a fragment of one. */
const OTR = /^\?OTR(?::AA[IM][\w+/]|[,|][0-9a-f]{1,8}[,|])/
/** The namespaces of elements that say something about a message, and have no content of it. */
const ABOUT: readonly string[] = [NS.encryption, NS.hints, NS.sid, NS.delay, NS.receipts, NS.markers]
/** A sender's own name for a method must not look like a sentence of the app. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} .+/_-]{0,31}$/u

/**
 * The name of the method; empty: it has no name that can be shown; undefined: the message is not encrypted with another
 * method, or has no content. Only for messages without a valid envelope.
 */
export function unreadableMethod(message: Xml, body: string): string | undefined {
  const blank = isBlank(body)
  const found = elements(message).find(
    ({ name, namespace }) => ELEMENTS.includes(name) && Object.hasOwn(METHODS, namespace)
  )
  // An OMEMO element without a payload only sends keys
  if (found && (!blank || found.name !== 'encrypted' || child(found, found.namespace, 'payload')))
    return METHODS[found.namespace]
  if (blank && (isSignal(message) || isOnlyActive(message))) return undefined
  const announced = child(message, NS.encryption, 'encryption')
  if (announced && !(found && blank)) return nameOf(announced)
  return OTR.test(body) ? METHODS['urn:xmpp:otr:0'] : undefined
}

function nameOf(announced: Xml): string {
  const namespace = attribute(announced, 'namespace')
  if (Object.hasOwn(METHODS, namespace)) return METHODS[namespace] ?? ''
  const name = cleanName(attribute(announced, 'name'))
  return NAME.test(name) ? name : ''
}

/** Whether a message without a body says nothing but that its sender looks at the chat (XEP-0085). */
function isOnlyActive(message: Xml): boolean {
  const content = elements(message).filter(
    ({ name, namespace }) => name !== 'body' && !ABOUT.includes(namespace)
  )
  return content.length > 0 && content.every(({ namespace }) => namespace === NS.states)
}

/** Whether a message without a body is not one that a person wrote: a receipt, a marker, a chat state, a retraction. */
function isSignal(message: Xml): boolean {
  return elements(message).some(
    ({ name, namespace }) =>
      (namespace === NS.hints && name.startsWith('no-')) ||
      (namespace === NS.states && name !== 'active') ||
      (namespace === NS.receipts && name === 'received') ||
      (namespace === NS.markers && name !== 'markable') ||
      [NS.retract, NS.reactions, NS.kithReaction, NS.kithSealed].some((other) => other === namespace)
  )
}

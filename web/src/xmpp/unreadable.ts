/**
 * Recognizes messages that are encrypted with a method that this app doesn't have: by their elements, by what they
 * announce (XEP-0380), or by the text of OTR. Without that, a message without a body would be shown nowhere.
 */
import { cleanName } from '../local/names'
import { isBlank } from '../local/words'
import { NS } from './ns'
import { attribute, child, elements, type Xml } from './xml'

/** Names by namespace, as in the registry of XEP-0380, but with the versions of OMEMO, of which this app has one. */
const METHODS: Readonly<Record<string, string>> = {
  [NS.omemo]: 'OMEMO',
  'urn:xmpp:omemo:0': 'OMEMO 0',
  'urn:xmpp:omemo:1': 'OMEMO 1',
  'urn:xmpp:omemo:2': 'OMEMO 2',
  'jabber:x:encrypted': 'Legacy OpenPGP',
  'urn:xmpp:openpgp:0': 'OpenPGP for XMPP',
  'urn:xmpp:otr:0': 'OTR'
}
/** The elements that hold what is encrypted. */
const ELEMENTS = ['encrypted', 'x', 'openpgp']
/** The start of a data message of OTR, versions 2 and 3, and of a part of one. */
const OTR = /^\?OTR(?::AA[IM][\w+/]|[,|][0-9a-f]{1,8}[,|])/
/** A name that others choose is shown only if it can't be taken for a sentence of the app. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} .+/_-]{0,31}$/u

/**
 * The name of the method; empty: it has none that could be shown; undefined: the message is not encrypted in such a
 * way, or has nothing to show. To be asked only about messages without an envelope that this app can open.
 */
export function unreadableMethod(message: Xml, body: string): string | undefined {
  const blank = isBlank(body)
  const found = elements(message).find(
    ({ name, namespace }) => ELEMENTS.includes(name) && Object.hasOwn(METHODS, namespace)
  )
  // An element of OMEMO without a payload only sends keys
  if (found && (!blank || found.name !== 'encrypted' || child(found, found.namespace, 'payload')))
    return METHODS[found.namespace]
  if (blank && isSignal(message)) return undefined
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

/** Whether a message without a body is none that a person wrote: a receipt, a marker, "is typing", a retraction. */
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

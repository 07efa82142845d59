/** XML as this layer uses it: read by `parse`, written by `el` and `write`. */
import { XML } from './namespaces'
import { parseElement, type XmlElement } from './parser'

export type Xml = XmlElement
/** What was made here, ready to be sent. */
export interface Made {
  xml: string
}
type Child = Made | string | undefined | false

export const NS = {
  client: 'jabber:client',
  framing: 'urn:ietf:params:xml:ns:xmpp-framing',
  streams: 'http://etherx.jabber.org/streams',
  limits: 'urn:xmpp:stream-limits:0',
  sasl2: 'urn:xmpp:sasl:2',
  fast: 'urn:xmpp:fast:0',
  bind: 'urn:xmpp:bind:0',
  sm: 'urn:xmpp:sm:3',
  csi: 'urn:xmpp:csi:0',
  carbons: 'urn:xmpp:carbons:2',
  forward: 'urn:xmpp:forward:0',
  mam: 'urn:xmpp:mam:2',
  rsm: 'http://jabber.org/protocol/rsm',
  form: 'jabber:x:data',
  delay: 'urn:xmpp:delay',
  sid: 'urn:xmpp:sid:0',
  hints: 'urn:xmpp:hints',
  receipts: 'urn:xmpp:receipts',
  markers: 'urn:xmpp:chat-markers:0',
  states: 'http://jabber.org/protocol/chatstates',
  reply: 'urn:xmpp:reply:0',
  fallback: 'urn:xmpp:fallback:0',
  correct: 'urn:xmpp:message-correct:0',
  retract: 'urn:xmpp:message-retract:1',
  reactions: 'urn:xmpp:reactions:0',
  styling: 'urn:xmpp:styling:0',
  ephemeral: 'urn:xmpp:ephemeral:0',
  encryption: 'urn:xmpp:eme:0',
  omemo: 'eu.siacs.conversations.axolotl',
  kithReaction: 'urn:kith:reaction:0',
  kithForwarded: 'urn:kith:forwarded:0',
  kithSealed: 'urn:kith:sealed:0',
  kithResend: 'urn:kith:resend:0',
  kithChats: 'urn:kith:chats:0',
  kithHistory: 'urn:kith:history:0',
  displayed: 'urn:xmpp:mds:displayed:0',
  pubsub: 'http://jabber.org/protocol/pubsub',
  pubsubOwner: 'http://jabber.org/protocol/pubsub#owner',
  pubsubEvent: 'http://jabber.org/protocol/pubsub#event',
  roster: 'jabber:iq:roster',
  blocking: 'urn:xmpp:blocking',
  reporting: 'urn:xmpp:reporting:1',
  last: 'jabber:iq:last',
  time: 'urn:xmpp:time',
  disco: 'http://jabber.org/protocol/disco#info',
  caps: 'http://jabber.org/protocol/caps',
  nick: 'http://jabber.org/protocol/nick',
  vcard: 'urn:ietf:params:xml:ns:vcard-4.0',
  avatarData: 'urn:xmpp:avatar:data',
  avatarMetadata: 'urn:xmpp:avatar:metadata',
  stanzas: 'urn:ietf:params:xml:ns:xmpp-stanzas',
  ping: 'urn:xmpp:ping'
} as const

/** What XML 1.0 can't carry: a text that somebody pasted may hold it. */
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g

const ESCAPES: Record<string, string> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' },
  // A parser would make other whitespace of them (XML 1.0 §2.11, §3.3.3)
  ...{ '\t': '&#9;', '\n': '&#10;', '\r': '&#13;' }
}

const LONE_SURROGATE = /\p{Surrogate}/gu

/** Makes an element; attributes and children that are undefined or false are left out. */
export function el(name: string, attributes: Record<string, string | undefined>, ...children: Child[]): Made {
  let head = `<${name}`
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) head += ` ${key}="${asValue(clean(value))}"`
  }
  let inner = ''
  for (const child of children) {
    if (typeof child === 'string') inner += asText(clean(child))
    else if (child) inner += child.xml
  }
  return { xml: inner ? `${head}>${inner}</${name}>` : `${head}/>` }
}

/** Raises for what is not well-formed. */
export function parse(text: string): Xml {
  return parseElement(text)
}

/** An element as text, which `parse` reads as the same; `around`: the namespace that holds where it will stand. */
export function write(element: Xml, around = ''): string {
  const { namespace } = element
  const name = namespace === XML ? `xml:${element.name}` : element.name
  let head = `<${name}`
  if (namespace !== around && namespace !== XML) head += ` xmlns="${asValue(namespace)}"`
  let prefixes = 0
  for (const [key, value] of element.attributes) {
    const space = key.lastIndexOf(' ')
    const of = key.slice(0, Math.max(0, space))
    const local = key.slice(space + 1)
    if (!of) head += ` ${local}="${asValue(value)}"`
    else if (of === XML) head += ` xml:${local}="${asValue(value)}"`
    else {
      prefixes += 1
      head += ` xmlns:a${prefixes}="${asValue(of)}" a${prefixes}:${local}="${asValue(value)}"`
    }
  }
  let inner = ''
  for (const child of element.children)
    inner += typeof child === 'string' ? asText(child) : write(child, namespace === XML ? around : namespace)
  return inner ? `${head}>${inner}</${name}>` : `${head}/>`
}

export function child(element: Xml | undefined, namespace: string, name: string): Xml | undefined {
  for (const one of element?.children ?? []) {
    if (typeof one !== 'string' && one.name === name && one.namespace === namespace) return one
  }
  return undefined
}

export function children(element: Xml | undefined, namespace: string, name: string): Xml[] {
  return elements(element).filter((one) => one.name === name && one.namespace === namespace)
}

/** Of an attribute without a prefix; empty: there is none. */
export function attribute(element: Xml | undefined, name: string): string {
  return element?.attributes.get(name) ?? ''
}

/** What stands in the element itself, not in its children. */
export function textOf(element: Xml | undefined): string {
  return (element?.children ?? []).filter((one) => typeof one === 'string').join('')
}

export function elements(element: Xml | undefined): Xml[] {
  return (element?.children ?? []).filter((one) => typeof one !== 'string')
}

/** The first child that is an element. */
export function first(element: Xml | undefined): Xml | undefined {
  return elements(element)[0]
}

export function bare(jid: string): string {
  return jid.split('/', 1)[0] ?? ''
}

export function localOf(jid: string): string {
  const at = jid.indexOf('@')
  return at < 0 ? '' : jid.slice(0, at)
}

export function domainOf(jid: string): string {
  return bare(jid).slice(jid.indexOf('@') + 1)
}

function asText(text: string): string {
  return text.replace(/[&<>\r]/g, escape)
}

function asValue(text: string): string {
  return text.replace(/[&<>"\t\n\r]/g, escape)
}

function escape(character: string): string {
  return ESCAPES[character] ?? ''
}

function clean(text: string): string {
  return text.replace(FORBIDDEN, '').replace(LONE_SURROGATE, '\ufffd')
}

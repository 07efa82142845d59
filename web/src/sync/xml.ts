/** XML as this layer uses it: read by stanza's parser, written by `el`. */
import { escapeXML, escapeXMLText } from 'stanza/jxt/Definitions'
import type XMLElement from 'stanza/jxt/Element'
import { parse as parseElement } from 'stanza/jxt/Parser'

export type Xml = XMLElement
/** What was made here, ready to be sent. */
export interface Made {
  xml: string
}
type Child = Made | string | undefined | false

export const NS = {
  client: 'jabber:client',
  framing: 'urn:ietf:params:xml:ns:xmpp-framing',
  streams: 'http://etherx.jabber.org/streams',
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
  kithResend: 'urn:kith:resend:0',
  kithChats: 'urn:kith:chats:0',
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

const LONE_SURROGATE = /\p{Surrogate}/gu

/** Makes an element; attributes and children that are undefined or false are left out. */
export function el(name: string, attributes: Record<string, string | undefined>, ...children: Child[]): Made {
  let head = `<${name}`
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) head += ` ${key}="${escapeXML(clean(value))}"`
  }
  let inner = ''
  for (const child of children) {
    if (typeof child === 'string') inner += escapeXMLText(clean(child))
    else if (child) inner += child.xml
  }
  return { xml: inner ? `${head}>${inner}</${name}>` : `${head}/>` }
}

/** Raises for what is not well-formed. */
export function parse(text: string): Xml {
  const element = parseElement(text)
  if (!element) throw new Error('no XML')
  return element
}

export function child(element: Xml | undefined, namespace: string, name: string): Xml | undefined {
  return element?.getChild(name, namespace)
}

export function children(element: Xml | undefined, namespace: string, name: string): Xml[] {
  return element?.getChildren(name, namespace) ?? []
}

export function attribute(element: Xml | undefined, name: string): string {
  return element?.attributes[name] ?? ''
}

export function textOf(element: Xml | undefined): string {
  return element?.getText() ?? ''
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

function clean(text: string): string {
  return text.replace(FORBIDDEN, '').replace(LONE_SURROGATE, '\ufffd')
}

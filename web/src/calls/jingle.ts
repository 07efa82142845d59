/**
 * `<jingle/>` of calls: XEP-0166, with RTP (0167), ICE (0176), feedback (0293), header extensions (0294), grouping
 * (0338), sources (0339) and DTLS (0320).
 */
import { NS } from '../xmpp/ns'
import { attribute, child, children, el, elements, type OutgoingXml, textOf, type Xml } from '../xmpp/xml'
import { candidateOf } from './candidates'
import {
  bounded,
  type Candidate,
  checked,
  type Content,
  type Description,
  fingerprint,
  type Fingerprint,
  integer,
  type Payload,
  type Senders,
  type Side,
  type Transport,
  Unacceptable
} from './description'

/** Payload types that need no name (RFC 3551 §6). */
const STATIC: Record<number, string> = { 0: 'PCMU', 8: 'PCMA', 9: 'G722' }
const LARGEST = 2 ** 32 - 1

/** A content as it was received: its fingerprint may be encrypted, and is then decrypted by somebody else. */
export interface ReceivedContent extends Content {
  sealed?: { hash: string; setup: string; encrypted: Xml }
}

// -- reading ---------------------------------------------------------------------------------------------------------

/** The contents with a description. Throws Unacceptable. */
export function contentsIn(jingle: Xml): ReceivedContent[] {
  const all = bounded(children(jingle, NS.jingle, 'content'), 'contents').map(contentOf)
  if (new Set(all.map(({ name }) => name)).size !== all.length) throw new Unacceptable('names')
  return all
}

/** Which contents share a transport. */
export function bundleIn(jingle: Xml): string[] {
  const group = children(jingle, NS.grouping, 'group').find((one) => attribute(one, 'semantics') === 'BUNDLE')
  return bounded(children(group, NS.grouping, 'content'), 'contents').map((one) =>
    checked(attribute(one, 'name'), 'name')
  )
}

/** The transports alone, by name of their content (`transport-info`). Throws Unacceptable. */
export function transportsIn(jingle: Xml): { name: string; transport: Partial<Transport> }[] {
  return bounded(children(jingle, NS.jingle, 'content'), 'contents').map((content) => {
    const element = child(content, NS.iceUdp, 'transport')
    if (!element) throw new Unacceptable('transport')
    return { name: checked(attribute(content, 'name'), 'name'), transport: partOfTransport(element) }
  })
}

/** The names of contents, and who sends in them. */
export function namesIn(jingle: Xml): { name: string; senders: Senders }[] {
  return bounded(children(jingle, NS.jingle, 'content'), 'contents').map((content) => ({
    name: checked(attribute(content, 'name'), 'name'),
    senders: sendersOf(content)
  }))
}

function contentOf(content: Xml): ReceivedContent {
  const description = child(content, NS.rtp, 'description')
  const transport = child(content, NS.iceUdp, 'transport')
  if (!description || !transport) throw new Unacceptable('content')
  const media = attribute(description, 'media')
  if (media !== 'audio' && media !== 'video') throw new Unacceptable('media')
  const { ufrag, pwd, candidates = [], fingerprint: plain } = partOfTransport(transport)
  if (ufrag === undefined || pwd === undefined) throw new Unacceptable('transport')
  const sealed = child(transport, NS.dtlsVerified, 'fingerprint')
  const encrypted = child(sealed, NS.omemo, 'encrypted')
  return {
    name: checked(attribute(content, 'name'), 'name'),
    creator: sideOf(attribute(content, 'creator')),
    senders: sendersOf(content),
    media,
    payloads: bounded(children(description, NS.rtp, 'payload-type'), 'payloads').map(payloadOf),
    feedback: feedbackIn(description),
    extensions: bounded(children(description, NS.rtpExtensions, 'rtp-hdrext'), 'extensions').map((one) => ({
      id: integer(attribute(one, 'id'), 1, 255),
      uri: checked(attribute(one, 'uri'), 'uri')
    })),
    mixed: child(description, NS.rtpExtensions, 'extmap-allow-mixed') !== undefined,
    sources: bounded(children(description, NS.rtpSources, 'source'), 'sources').map((one) => ({
      ssrc: integer(attribute(one, 'ssrc'), 0, LARGEST),
      parameters: parametersIn(one, NS.rtpSources)
    })),
    groups: bounded(children(description, NS.rtpSources, 'ssrc-group'), 'groups').map((one) => ({
      semantics: checked(attribute(one, 'semantics'), 'token'),
      sources: bounded(children(one, NS.rtpSources, 'source'), 'sources').map((source) =>
        integer(attribute(source, 'ssrc'), 0, LARGEST)
      )
    })),
    transport: { ufrag, pwd, candidates, ...(plain && { fingerprint: plain }) },
    ...(sealed &&
      encrypted && {
        sealed: { hash: attribute(sealed, 'hash'), setup: attribute(sealed, 'setup'), encrypted }
      })
  }
}

function payloadOf(element: Xml): Payload {
  const id = integer(attribute(element, 'id'), 0, 127)
  return {
    id,
    name: checked(attribute(element, 'name') || (STATIC[id] ?? ''), 'token'),
    clockrate: integer(attribute(element, 'clockrate') || '8000', 1, 384_000),
    channels: integer(attribute(element, 'channels') || '1', 1, 8),
    parameters: parametersIn(element, NS.rtp),
    feedback: feedbackIn(element)
  }
}

function parametersIn(element: Xml, namespace: string): [string, string][] {
  return bounded(children(element, namespace, 'parameter'), 'parameters').map((one) => [
    checked(attribute(one, 'name'), 'token'),
    // some apps give texts with spaces, which no browser needs
    checked(attribute(one, 'value').replace(/ /g, ''), 'value')
  ])
}

function feedbackIn(element: Xml): [string, string][] {
  return bounded(children(element, NS.rtpFeedback, 'rtcp-fb'), 'feedback').map((one) => {
    const subtype = attribute(one, 'subtype')
    return [checked(attribute(one, 'type'), 'token'), subtype && checked(subtype, 'token')]
  })
}

function partOfTransport(element: Xml): Partial<Transport> {
  const [ufrag, pwd] = [attribute(element, 'ufrag'), attribute(element, 'pwd')]
  const plain = child(element, NS.dtls, 'fingerprint')
  return {
    ...(ufrag && { ufrag: checked(ufrag, 'ufrag') }),
    ...(pwd && { pwd: checked(pwd, 'pwd') }),
    candidates: bounded(children(element, NS.iceUdp, 'candidate'), 'candidates').flatMap(candidateIn),
    ...(plain && {
      fingerprint: fingerprint(
        attribute(plain, 'hash'),
        textOf(plain),
        attribute(plain, 'setup') || 'actpass'
      )
    })
  }
}

/** Candidates of a form that is not known are left out: others may do. */
function candidateIn(element: Xml): Candidate[] {
  try {
    const of = (name: string): string => attribute(element, name)
    return [
      candidateOf({
        ...{ foundation: of('foundation'), component: of('component'), protocol: of('protocol') },
        ...{ priority: of('priority'), ip: of('ip'), port: of('port'), type: of('type') },
        ...{ relatedIp: of('rel-addr'), relatedPort: of('rel-port'), tcpType: of('tcptype') }
      })
    ]
  } catch {
    return []
  }
}

function sideOf(text: string): Side {
  if (text !== 'initiator' && text !== 'responder') throw new Unacceptable('creator')
  return text
}

function sendersOf(content: Xml): Senders {
  const senders = attribute(content, 'senders') || 'both'
  if (senders === 'both' || senders === 'none') return senders
  return sideOf(senders)
}

// -- writing ---------------------------------------------------------------------------------------------------------

export type Action =
  | 'session-initiate'
  | 'session-accept'
  | 'session-info'
  | 'session-terminate'
  | 'transport-info'
  | 'content-add'
  | 'content-accept'
  | 'content-reject'

export function jingle(
  action: Action,
  sid: string,
  who: { initiator?: string; responder?: string },
  ...content: (OutgoingXml | undefined)[]
): OutgoingXml {
  return el('jingle', { xmlns: NS.jingle, action, sid, ...who }, ...content)
}

/** `sealed`: the encrypted fingerprint of each content, by name, in place of the plain one. */
export function describe(
  { contents, bundle }: Description,
  sealed: ReadonlyMap<string, OutgoingXml> = new Map()
): OutgoingXml[] {
  const names = bundle.map((name) => el('content', { name }))
  return [
    ...contents.map((content) => contentElement(content, sealed.get(content.name))),
    ...(bundle.length > 0 ? [el('group', { xmlns: NS.grouping, semantics: 'BUNDLE' }, ...names)] : [])
  ]
}

/** A content with nothing but a transport, or a part of it. */
export function transportElement(
  { name, creator }: Pick<Content, 'name' | 'creator'>,
  transport: Pick<Transport, 'ufrag' | 'pwd'> & { candidates: Candidate[] }
): OutgoingXml {
  return el('content', { creator, name }, transportOf(transport, undefined))
}

/** A content that is named only. */
export function nameElement(
  { name, creator }: Pick<Content, 'name' | 'creator'>,
  senders?: Senders
): OutgoingXml {
  return el('content', { creator, name, senders })
}

/** `<mute/>`, `<unmute/>` of a content; `<hold/>`, `<unhold/>` of all (XEP-0167 §8). */
export function info(
  name: 'mute' | 'unmute' | 'hold' | 'unhold',
  content?: Pick<Content, 'name' | 'creator'>
): OutgoingXml {
  return el(name, { xmlns: NS.rtpInfo, creator: content?.creator, name: content?.name })
}

function contentElement(content: Content, sealed: OutgoingXml | undefined): OutgoingXml {
  const { name, creator, senders, media, payloads, feedback, extensions, sources, groups } = content
  const description = el(
    'description',
    { xmlns: NS.rtp, media },
    ...payloads.map(payloadElement),
    ...feedback.map(feedbackElement),
    ...extensions.map(({ id, uri }) => el('rtp-hdrext', { xmlns: NS.rtpExtensions, id: String(id), uri })),
    content.mixed && el('extmap-allow-mixed', { xmlns: NS.rtpExtensions }),
    ...groups.map((group) =>
      el(
        'ssrc-group',
        { xmlns: NS.rtpSources, semantics: group.semantics },
        ...group.sources.map((ssrc) => el('source', { ssrc: String(ssrc) }))
      )
    ),
    ...sources.map(({ ssrc, parameters }) =>
      el('source', { xmlns: NS.rtpSources, ssrc: String(ssrc) }, ...parameters.map(parameterElement))
    ),
    el('rtcp-mux', {})
  )
  return el('content', { creator, name, senders }, description, transportOf(content.transport, sealed))
}

function payloadElement({ id, name, clockrate, channels, parameters, feedback }: Payload): OutgoingXml {
  return el(
    'payload-type',
    {
      ...{ id: String(id), name, clockrate: String(clockrate) },
      channels: channels > 1 ? String(channels) : undefined
    },
    ...parameters.map(parameterElement),
    ...feedback.map(feedbackElement)
  )
}

function parameterElement([name, value]: [string, string]): OutgoingXml {
  return el('parameter', { name, value })
}

function feedbackElement([type, subtype]: [string, string]): OutgoingXml {
  return el('rtcp-fb', { xmlns: NS.rtpFeedback, type, subtype: subtype || undefined })
}

function transportOf(
  { ufrag, pwd, fingerprint: own, candidates }: Transport,
  sealed: OutgoingXml | undefined
): OutgoingXml {
  return el(
    'transport',
    { xmlns: NS.iceUdp, ufrag, pwd },
    el('trickle', { xmlns: NS.iceOption }),
    sealed ?? (own && el('fingerprint', { xmlns: NS.dtls, hash: own.hash, setup: own.setup }, own.value)),
    ...candidates.map(candidateElement)
  )
}

/** A fingerprint that only the other device can read. */
export function sealedFingerprint({ hash, setup }: Fingerprint, encrypted: OutgoingXml): OutgoingXml {
  return el('fingerprint', { xmlns: NS.dtlsVerified, hash, setup }, encrypted)
}

function candidateElement(one: Candidate): OutgoingXml {
  return el('candidate', {
    id: crypto.randomUUID().slice(0, 8),
    ...{ generation: '0', network: '0', component: String(one.component), foundation: one.foundation },
    ...{ ip: one.ip, port: String(one.port), priority: String(one.priority), protocol: one.protocol },
    ...{ type: one.type, 'rel-addr': one.relatedIp, tcptype: one.tcpType },
    'rel-port': one.relatedPort === undefined ? undefined : String(one.relatedPort)
  })
}

/** What a `session-info` says; undefined: nothing that is known (an empty one asks whether one is still there). */
export function infoIn(
  element: Xml
): { name: 'mute' | 'unmute' | 'hold' | 'unhold' | 'active' | 'ringing'; content: string } | undefined {
  const said = elements(element).find((one) => one.namespace === NS.rtpInfo)
  const name = (['mute', 'unmute', 'hold', 'unhold', 'active', 'ringing'] as const).find(
    (one) => one === said?.name
  )
  return name && { name, content: attribute(said, 'name') }
}

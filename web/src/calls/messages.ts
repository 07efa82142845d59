/** The messages of XEP-0353: how calls are proposed, accepted, rejected and ended on all devices of both sides. */
import { NS } from '../xmpp/ns'
import { attribute, child, children, el, elements, type OutgoingXml, type Xml } from '../xmpp/xml'
import { REASONS, type Reason } from './types'

const TYPES = ['propose', 'ringing', 'proceed', 'accept', 'reject', 'retract', 'finish'] as const
type MessageType = (typeof TYPES)[number]
/** Ids of others are repeated to them and are keys here. */
const ID = /^[\x21-\x7e]{1,128}$/
const LARGEST_DEVICE = 2 ** 31 - 1

export interface CallMessage {
  type: MessageType
  id: string
  /** Of a proposal: what it wants to send. */
  audio: boolean
  video: boolean
  reason: Reason | undefined
  /** Both have called at once, and this is the call that is given up. */
  tieBreak: boolean
  /** The OMEMO id of the device that has accepted; 0: it does not tell. */
  device: number
}

/** The call that a message is about; undefined: none, or it is not valid. */
export function callMessageIn(message: Xml): CallMessage | undefined {
  const element = elements(message).find((one) => one.namespace === NS.jingleMessage)
  if (!element) return undefined
  const type = TYPES.find((one) => one === element.name)
  const id = attribute(element, 'id')
  if (!type || !ID.test(id)) return undefined
  const media = children(element, NS.rtp, 'description').map((one) => attribute(one, 'media'))
  return {
    type,
    id,
    audio: media.includes('audio'),
    video: media.includes('video'),
    reason: reasonIn(element),
    tieBreak: child(element, NS.jingleMessage, 'tie-break') !== undefined,
    device: deviceIn(element)
  }
}

/** The reason in an element (XEP-0166 §7.4). */
export function reasonIn(element: Xml): Reason | undefined {
  const reason = child(element, NS.jingle, 'reason')
  return reason && (REASONS.find((one) => child(reason, NS.jingle, one)) ?? 'general-error')
}

function deviceIn(element: Xml): number {
  const id = Number(attribute(child(element, NS.dtlsVerified, 'device'), 'id'))
  return Number.isInteger(id) && id > 0 && id <= LARGEST_DEVICE ? id : 0
}

export function reasonElement(reason: Reason): OutgoingXml {
  return el('reason', { xmlns: NS.jingle }, el(reason, {}))
}

/** The id of the message that proposes a call, by which an error that comes back is recognized. */
export function proposalId(id: string): string {
  return `jm-propose-${id}`
}

export function propose(to: string, id: string, video: boolean): OutgoingXml {
  const media = video ? ['audio', 'video'] : ['audio']
  const wanted = media.map((one) => el('description', { xmlns: NS.rtp, media: one }))
  return message(to, proposalId(id), el('propose', { xmlns: NS.jingleMessage, id }, ...wanted))
}

/** `device`: this device's OMEMO id. */
export function proceed(to: string, id: string, device: number): OutgoingXml {
  const content = el('device', { xmlns: NS.dtlsVerified, id: String(device) })
  return message(
    to,
    crypto.randomUUID(),
    el('proceed', { xmlns: NS.jingleMessage, id }, device > 0 && content)
  )
}

/** A message without content: that a device rings, or, for one's own devices, that one of them has accepted. */
export function plain(type: 'ringing' | 'accept', to: string, id: string): OutgoingXml {
  return message(to, crypto.randomUUID(), el(type, { xmlns: NS.jingleMessage, id }))
}

export function over(
  type: 'reject' | 'retract' | 'finish',
  to: string,
  id: string,
  reason: Reason,
  more: { tieBreak?: boolean; migratedTo?: string } = {}
): OutgoingXml {
  return message(
    to,
    crypto.randomUUID(),
    el(
      type,
      { xmlns: NS.jingleMessage, id },
      reasonElement(reason),
      more.tieBreak === true && el('tie-break', {}),
      more.migratedTo !== undefined && el('migrated', { to: more.migratedTo })
    )
  )
}

function message(to: string, id: string, content: OutgoingXml): OutgoingXml {
  const store = el('store', { xmlns: NS.hints })
  return el('message', { xmlns: NS.client, to, id, type: 'chat' }, content, store)
}

/** Parses the stanza of a message. */
import type { Envelope } from '../crypto/crypto'
import { secondsOf } from '../local/timer'
import type { Address, Moment } from '../local/types'
import { bodyOf } from './body'
import { envelopeOf, sealedIn } from './encrypted'
import { bare } from './jid'
import { NS } from './ns'
import { quoted } from './quotation'
import { unreadableMethod } from './unreadable'
import { attribute, child, children, elements, textOf, type Xml } from './xml'

const LONGEST_OTHERS_ID = 1000

/** A message that came, in the words of this app. */
export interface ReceivedMessage {
  from: Address
  mine: boolean
  /** With whom. */
  chat: Address
  /** Origin id, else the stanza's id, else the archive's. */
  id: string
  /** In the own archive; empty: it is not there. */
  archive: string
  at: Moment
  error: boolean
  /** In the clear. */
  text: string | undefined
  envelope: Envelope | undefined
  /** The name of a method of encryption that this app doesn't have: see `unreadable.ts`. Its body is no text then. */
  method: string | undefined
  /** What is encrypted is no text, but for this app: see `sealed.ts`. */
  sealed: boolean
  edits: string
  retracts: string
  /** It stands where a message was that its sender has taken back. */
  tombstone: boolean
  /** `emojis` undefined: they are the text. */
  reaction: { of: string; emojis: string[] | undefined } | undefined
  reply: { id: string; from: Address } | undefined
  /** How many characters (code points) of the text are a quotation for apps that know no replies. */
  quoted: number
  forwarded: boolean
  /** Its sender wants it shown as it was written (XEP-0393 §6). */
  unstyled: boolean
  received: string
  displayed: string
  wantsReceipt: boolean
  state: string
  /** What its sender calls themselves (XEP-0172). */
  nick: string
  resend: string
  resent: string
  /** Seconds; -1: nothing is said of it. */
  timer: number
}

/** Parses a message. Undefined: it is of a type that is not shown (groupchat, headline). */
export function read(message: Xml, me: Address, archive: string, at: Moment): ReceivedMessage | undefined {
  const from = bare(attribute(message, 'from') || me)
  const to = bare(attribute(message, 'to') || me)
  const type = attribute(message, 'type')
  if (type === 'groupchat' || type === 'headline') return undefined
  const mine = from === me
  const reply = child(message, NS.reply, 'reply')
  const plain = child(message, NS.reactions, 'reactions')
  const encrypted = child(message, NS.kithReaction, 'reaction')
  const own = idOf(attribute(child(message, NS.sid, 'origin-id'), 'id')) || idOf(attribute(message, 'id'))
  const timer = secondsOf(attribute(child(message, NS.ephemeral, 'ephemeral'), 'timer'))
  const body = bodyOf(message)
  const envelope = envelopeOf(message)
  const method = envelope ? undefined : unreadableMethod(message, body ? textOf(body) : '')
  const sealed = envelope && !envelope.payload ? sealedIn(message) : undefined
  return {
    from,
    mine,
    chat: mine ? to : from,
    id: own || archive,
    archive,
    at,
    error: type === 'error',
    text: envelope || method !== undefined || !body ? undefined : textOf(body),
    method,
    envelope: envelope && sealed ? { ...envelope, payload: sealed } : envelope,
    sealed: sealed !== undefined,
    edits: attribute(child(message, NS.correct, 'replace'), 'id'),
    retracts: attribute(child(message, NS.retract, 'retract'), 'id'),
    tombstone: child(message, NS.retract, 'retracted') !== undefined,
    reaction: encrypted
      ? { of: attribute(encrypted, 'id'), emojis: undefined }
      : plain && {
          of: attribute(plain, 'id'),
          emojis: children(plain, NS.reactions, 'reaction').map(textOf)
        },
    reply: reply && { id: attribute(reply, 'id'), from: bare(attribute(reply, 'to')) },
    quoted: quoted(message),
    forwarded: child(message, NS.kithForwarded, 'forwarded') !== undefined,
    unstyled: child(message, NS.styling, 'unstyled') !== undefined,
    received: attribute(child(message, NS.receipts, 'received'), 'id'),
    displayed: attribute(child(message, NS.markers, 'displayed'), 'id'),
    wantsReceipt: child(message, NS.receipts, 'request') !== undefined,
    state: elements(message).find((one) => one.namespace === NS.states)?.name ?? '',
    nick: textOf(child(message, NS.nick, 'nick')),
    resend: attribute(child(message, NS.kithResend, 'resend'), 'id'),
    resent: attribute(child(message, NS.kithResend, 'resent'), 'id'),
    timer
  }
}

/** An id as long as nobody's is counts as none: it is a key here, and part of what other devices are told. */
function idOf(id: string): string {
  return id.length <= LONGEST_OTHERS_ID ? id : ''
}

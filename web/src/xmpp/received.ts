/** Parses the stanza of a message. */
import type { Envelope } from '../crypto/crypto'
import { isGroup } from '../local/address'
import { timeOf } from '../local/order'
import { secondsOf } from '../local/timer'
import type { Media } from '../local/media'
import type { Address, Failure, GroupChange, Moment } from '../local/types'
import { bodyOf } from './body'
import { envelopeOf, sealedIn } from './encrypted'
import { authorOf, changeIn, pastIn } from './groups'
import { bare } from './jid'
import { plainMedia } from './media'
import { NS } from './ns'
import { quoted } from './quotation'
import { unreadableMethod } from './unreadable'
import { attribute, child, children, elements, textOf, type Xml } from './xml'

const LONGEST_OTHERS_ID = 1000
const UNREACHABLE = ['remote-server-not-found', 'remote-server-timeout']

/** A parsed message. */
export interface ReceivedMessage {
  from: Address
  /** The address that its author had then, for whose device it is encrypted; else that is `from`. */
  sender: Address
  mine: boolean
  /** The other person of the chat, or the group. */
  chat: Address
  /** It is from a group, which vouches for its author. */
  group: boolean
  /** A notice of the group, with the number of its members then. */
  change: { change: GroupChange; number: number } | undefined
  /**
   * A message from before I came, which the device of an admin (`sender`) has encrypted for me, and whose author and
   * place the group vouches for. `id` and `archive` are those of the message in the group.
   */
  past: boolean
  /** The group says that an admin has deleted the message with this id, and who. */
  moderated: { id: string; by: Address } | undefined
  /** The origin id, else the stanza's id, else the archive id. */
  id: string
  /** The archive id; empty: it is not in the archive. */
  archive: string
  at: Moment
  /** It is one of my messages that came back: refused, or its server can't be reached. */
  error: Extract<Failure, 'refused' | 'unreachable'> | undefined
  /** The unencrypted text. */
  text: string | undefined
  /** A file that is not encrypted; the text is its address. */
  media: Media | undefined
  envelope: Envelope | undefined
  /** It is encrypted with this method, which the app doesn't have (`unreadable.ts`). Its body is not a text then. */
  method: string | undefined
  /** The encrypted content is for this app only (`sealed.ts`). */
  sealed: boolean
  edits: string
  retracts: string
  /** It is the tombstone of a message that was deleted. */
  tombstone: boolean
  /** `emojis` undefined: the text has them. */
  reaction: { of: string; emojis: string[] | undefined } | undefined
  reply: { id: string; from: Address } | undefined
  /** The length of the quotation in the text, in code points, which is for apps without replies. */
  quoted: number
  forwarded: boolean
  /** It is an announcement to everybody, if it is from the user's own server. */
  announcement: boolean
  /** It is to be shown without styling (XEP-0393 §6). */
  unstyled: boolean
  received: string
  displayed: string
  wantsReceipt: boolean
  state: string
  /** The name that the sender has chosen (XEP-0172). */
  nick: string
  resend: string
  resent: string
  /** The group that the message belongs to that is requested or sent again; empty: none. */
  again: Address
  /** In seconds; -1: not given. */
  timer: number
  /** What it says about a call (XEP-0353), and the full address of the device that says it. */
  call: { element: Xml; by: string } | undefined
}

/** Parses a message. Undefined: messages of this type are not shown (headline, groupchat of rooms elsewhere). */
export function read(message: Xml, me: Address, archive: string, at: Moment): ReceivedMessage | undefined {
  const sender = attribute(message, 'from') || me
  const to = bare(attribute(message, 'to') || me)
  const type = attribute(message, 'type')
  if (type === 'headline') return undefined
  const group = type === 'groupchat'
  // Private messages of occupants are not of the group, and would look as if they were
  if (!group && type !== 'error' && isGroup(bare(sender), me)) return undefined
  if (group && !isGroup(bare(sender), me)) return undefined
  /** The group itself says something. */
  const told = group && sender === bare(sender)
  const wrote = group ? authorOf(message) : bare(sender)
  const past = group && !told ? pastIn(message) : undefined
  const from = past?.author ?? wrote
  const mine = from === me && !told
  const reply = child(message, NS.reply, 'reply')
  const plain = child(message, NS.reactions, 'reactions')
  const encrypted = child(message, NS.kithReaction, 'reaction')
  const own = idOf(attribute(child(message, NS.sid, 'origin-id'), 'id')) || idOf(attribute(message, 'id'))
  const timer = secondsOf(attribute(child(message, NS.ephemeral, 'ephemeral'), 'timer'))
  const retracts = attribute(child(message, NS.retract, 'retract'), 'id')
  const body = bodyOf(message)
  const envelope = envelopeOf(message)
  const method = envelope || retracts ? undefined : unreadableMethod(message, body ? textOf(body) : '')
  const sealed = envelope && !envelope.payload && !envelope.extra ? sealedIn(message) : undefined
  const again = child(message, NS.kithResend, 'resend') ?? child(message, NS.kithResend, 'resent')
  return {
    from,
    sender: wrote,
    past: past !== undefined,
    mine,
    chat: group ? bare(sender) : mine ? to : from,
    group,
    change: told ? changeIn(message) : undefined,
    moderated: told ? moderatedIn(message) : undefined,
    id: past?.id ?? (own || archive),
    archive: past?.id ?? archive,
    at: past ? timeOf(past.id) : at,
    error: type === 'error' ? failureOf(child(message, NS.client, 'error')) : undefined,
    // The body of a retraction is for apps that know none (XEP-0424 §3.1)
    text: envelope || method !== undefined || retracts || !body ? undefined : textOf(body),
    media:
      envelope || method !== undefined || retracts || !body ? undefined : plainMedia(message, textOf(body)),
    method,
    envelope: envelope && sealed ? { ...envelope, payload: sealed } : envelope,
    sealed: sealed !== undefined,
    edits: attribute(child(message, NS.correct, 'replace'), 'id'),
    retracts: told ? '' : retracts,
    tombstone: child(message, NS.retract, 'retracted') !== undefined,
    reaction: encrypted
      ? { of: attribute(encrypted, 'id'), emojis: undefined }
      : plain && {
          of: attribute(plain, 'id'),
          emojis: children(plain, NS.reactions, 'reaction').map(textOf)
        },
    reply: reply && {
      id: attribute(reply, 'id'),
      from: group || attribute(again, 'group') ? attribute(reply, 'to') : bare(attribute(reply, 'to'))
    },
    quoted: quoted(message),
    forwarded: child(message, NS.kithForwarded, 'forwarded') !== undefined,
    announcement: child(message, NS.kithAnnouncement, 'announcement') !== undefined,
    unstyled: child(message, NS.styling, 'unstyled') !== undefined,
    received: group ? '' : attribute(child(message, NS.receipts, 'received'), 'id'),
    displayed: group ? '' : attribute(child(message, NS.markers, 'displayed'), 'id'),
    wantsReceipt: child(message, NS.receipts, 'request') !== undefined,
    state: elements(message).find((one) => one.namespace === NS.states)?.name ?? '',
    nick: textOf(child(message, NS.nick, 'nick')),
    resend: group ? '' : attribute(child(message, NS.kithResend, 'resend'), 'id'),
    resent: group ? '' : attribute(child(message, NS.kithResend, 'resent'), 'id'),
    again: group ? '' : bare(attribute(again, 'group')),
    timer,
    call: group ? undefined : callIn(message, sender)
  }
}

function callIn(message: Xml, by: string): ReceivedMessage['call'] {
  const element = elements(message).find((one) => one.namespace === NS.jingleMessage)
  return element && { element, by }
}

/** A message that an admin has deleted for everybody (XEP-0425), as the group tells. */
function moderatedIn(message: Xml): ReceivedMessage['moderated'] {
  const retract = child(message, NS.retract, 'retract')
  const moderated = child(retract, NS.moderate, 'moderated')
  if (!retract || !moderated) return undefined
  return { id: attribute(retract, 'id'), by: attribute(moderated, 'by') }
}

/** Why a message came back (RFC 6120 §8.3). */
function failureOf(error: Xml | undefined): 'refused' | 'unreachable' {
  const unreachable =
    attribute(error, 'type') === 'wait' || UNREACHABLE.some((name) => child(error, NS.stanzas, name))
  return unreachable ? 'unreachable' : 'refused'
}

/** Very long ids are ignored, since an id is a key in the storage and is repeated to other devices. */
function idOf(id: string): string {
  return id.length <= LONGEST_OTHERS_ID ? id : ''
}

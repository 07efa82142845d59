/** Messages as stanzas: what is sent is made here, and what comes is taken apart. */
import type { Envelope } from '../crypto/crypto'
import { isArchiveId, timeOf } from '../local/order'
import type { Address, Moment, OutgoingContent, Reply } from '../local/types'
import { secondsOf } from '../local/timer'
import { isBlank } from '../local/words'
import { base64 } from '@scure/base'
import { fromBase64 } from '../local/bytes'
import { XML } from './namespaces'
import { written } from './sealed'
import { attribute, bare, child, children, el, elements, type Made, NS, textOf, type Xml } from './xml'

/** What apps without OMEMO show. */
const FALLBACK = 'This message is encrypted (OMEMO). Your client does not seem to support that.'
const LONGEST_QUOTE = 200
const LONGEST_ID = 200
const LONGEST_OTHERS_ID = 1000

/** What goes in one stanza. */
export type Single = Exclude<OutgoingContent, { type: 'marker' }>

/** A message that came, in the words of this app. */
export interface Came {
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

/**
 * An entry of the own archive from when I had another address, as if I had had this one. `former`: from the oldest on. Of two
 * addresses that have been mine, the later one was mine then: whoever has the older number since then is somebody else.
 */
export function asNow(message: Xml, me: Address, former: ReadonlySet<Address>): Xml {
  if (!former.size) return message
  const [from, to] = [bare(attribute(message, 'from')), bare(attribute(message, 'to'))]
  const then = [...former, me].findLast((one) => one === from || one === to)
  if (then === undefined || then === me) return message
  const attributes = new Map(message.attributes)
  if (to === then) attributes.set('to', me)
  if (from === then) attributes.set('from', me)
  return { ...message, attributes }
}

/** An id as long as nobody's is counts as none: it is a key here, and part of what other devices are told. */
function idOf(id: string): string {
  return id.length <= LONGEST_OTHERS_ID ? id : ''
}

/** What is in a message's stanza besides addresses, archive id and time. */
export function read(message: Xml, me: Address, archive: string, at: Moment): Came | undefined {
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
  const sealed = envelope && !envelope.payload ? sealedIn(message) : undefined
  return {
    from,
    mine,
    chat: mine ? to : from,
    id: own || archive,
    archive,
    at,
    error: type === 'error',
    text: envelope || !body ? undefined : textOf(body),
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

/**
 * A copy from the own account (XEP-0280): what is forwarded, and the message in it, if it is one by or to this account.
 * Whoever else says so, even a device of the own account, is not believed (§11).
 */
export function carbon(message: Xml, me: Address): { forwarded: Xml; message: Xml } | undefined {
  if ((attribute(message, 'from') || me) !== me) return undefined
  const sent = child(message, NS.carbons, 'sent')
  const copy = sent ?? child(message, NS.carbons, 'received')
  const forwarded = child(copy, NS.forward, 'forwarded')
  const inside = child(forwarded, NS.client, 'message')
  if (!forwarded || !inside) return undefined
  if (bare(attribute(inside, sent ? 'from' : 'to') || me) !== me) return undefined
  return { forwarded, message: inside }
}

/** An id of a live message may be so far from now: clocks differ, and a session is resumed after a while. */
const AHEAD_MS = 600_000
const BEHIND_MS = 86_400_000

/**
 * The id that the own archive is said to have given (XEP-0359); empty: none, or none that can be. The server takes those
 * of others out; of what came late (`stamp`), the id may be older.
 */
export function archiveId(message: Xml, me: Address, stamp: Moment | undefined, now: Moment): string {
  const ids = children(message, NS.sid, 'stanza-id').filter((one) => attribute(one, 'by') === me)
  const id = attribute(ids.at(-1), 'id')
  if (ids.length !== 1 || !isArchiveId(id)) return ''
  const early = Math.min(stamp ?? now, now) - BEHIND_MS
  return timeOf(id) <= now + AHEAD_MS && timeOf(id) >= early ? id : ''
}

/** XEP-0203; undefined: it came at once. */
export function delayed(element: Xml | undefined): Moment | undefined {
  const stamp = Date.parse(attribute(child(element, NS.delay, 'delay'), 'stamp'))
  return Number.isNaN(stamp) ? undefined : stamp
}

/** When it came: its id in the archive tells, if it has one of Kith's. Nothing is from the future. */
export function archiveTime(id: string, stamp: Moment | undefined, now: Moment): Moment {
  return isArchiveId(id) ? timeOf(id) : Math.min(stamp ?? now, now)
}

/** Of bodies in several languages (RFC 6121 §5.2.3) the reader's; of those that nobody has asked for, the first. */
function bodyOf(message: Xml): Xml | undefined {
  const all = children(message, NS.client, 'body')
  const bodies = all.filter((body) => !isBlank(textOf(body)))
  if (bodies.length < 2) return bodies[0] ?? all[0]
  const languages = bodies.map((body) => languageOf(body) || languageOf(message))
  for (const wanted of readerLanguages()) {
    const at = [wanted, wanted.split('-', 1)[0] ?? ''].flatMap((tag) =>
      languages.flatMap((language, place) =>
        language === tag || language.startsWith(`${tag}-`) ? [place] : []
      )
    )[0]
    if (at !== undefined) return bodies[at]
  }
  return bodies[languages.indexOf('')] ?? bodies[0]
}

function languageOf(element: Xml): string {
  return (element.attributes.get(`${XML} lang`) ?? '').toLowerCase()
}

/** That of the app first, then those of the browser. */
function readerLanguages(): string[] {
  const page = (globalThis as { document?: Document }).document
  const own = page?.documentElement.lang
  const all = [...(own ? [own] : []), ...(globalThis.navigator?.languages ?? [])]
  return all.map((tag) => tag.toLowerCase())
}

/** What is to be encrypted of something that waits in the outbox; undefined: nothing. */
export function secretOf(what: OutgoingContent): string | undefined {
  if (what.type === 'message') return quotation(what.reply) + what.text
  if (what.type === 'reaction' && what.emojis.length) return what.emojis.join(' ')
  if (what.type === 'pin') return written(what)
  return undefined
}

/**
 * The whole stanza; `envelope` is there if `secretOf` has something, or keys alone travel. `nick`: my name, for those who
 * can't see it otherwise (XEP-0172 §4.2); empty: without.
 */
export function made(to: Address, id: string, what: Single, envelope: Envelope | undefined, nick = ''): Made {
  const named = nick ? [el('nick', { xmlns: NS.nick }, nick)] : []
  const store = el('store', { xmlns: NS.hints })
  return message(to, id, ...contentOf(what), ...wrapped(what, envelope), ...named, store)
}

/** Receipts (XEP-0184) and markers (XEP-0333): each a stanza of its own. */
export function marks(to: Address, { of, kind }: OutgoingContent & { type: 'marker' }): Made[] {
  const xmlns = kind === 'received' ? NS.receipts : NS.markers
  return of.map((id) => {
    const mark = el(kind, { xmlns, id })
    return message(to, `${kind}-${id}`.slice(0, LONGEST_ID), mark, el('store', { xmlns: NS.hints }))
  })
}

/** The same to one device that has asked for it. */
export function madeAgain(to: Address, id: string, of: string, what: Single, envelope: Envelope): Made {
  const again = el('resent', { xmlns: NS.kithResend, id: of })
  return message(
    to,
    id,
    again,
    ...contentOf(what),
    ...wrapped(what, envelope),
    el('store', { xmlns: NS.hints })
  )
}

/** Keys without a text. */
export function keysOnly(to: Address, envelope: Envelope): Made {
  return message(to, crypto.randomUUID(), encrypted(envelope), el('store', { xmlns: NS.hints }))
}

export function typingState(to: Address, on: boolean): Made {
  return el(
    'message',
    { xmlns: NS.client, to, type: 'chat' },
    el(on ? 'composing' : 'paused', { xmlns: NS.states }),
    el('no-store', { xmlns: NS.hints })
  )
}

/** The text without the quotation, and the quotation. */
export function unquoted(text: string, length: number): { text: string; quote: string } {
  const characters = [...text]
  if (length <= 0 || length > characters.length) return { text, quote: '' }
  const quote = characters.slice(0, length).join('').trim().replace(/^> ?/gm, '')
  return { text: characters.slice(length).join(''), quote }
}

function message(to: Address, id: string, ...content: Made[]): Made {
  const attributes = { xmlns: NS.client, to, id, type: 'chat' }
  return el('message', attributes, ...content, el('origin-id', { xmlns: NS.sid, id }))
}

function contentOf(what: Single): Made[] {
  switch (what.type) {
    case 'message':
      return [
        ...(what.reply ? repliesTo(what.reply) : []),
        ...(what.replaces === undefined ? [] : [el('replace', { xmlns: NS.correct, id: what.replaces })]),
        ...(what.forwarded ? [el('forwarded', { xmlns: NS.kithForwarded })] : []),
        ...(what.unstyled ? [el('unstyled', { xmlns: NS.styling })] : []),
        ...(what.expires ? [el('ephemeral', { xmlns: NS.ephemeral, timer: String(what.expires) })] : []),
        el('request', { xmlns: NS.receipts }),
        el('markable', { xmlns: NS.markers }),
        el('active', { xmlns: NS.states })
      ]
    case 'reaction':
      if (!what.emojis.length) return [el('reactions', { xmlns: NS.reactions, id: what.of })]
      return [
        el('reaction', { xmlns: NS.kithReaction, id: what.of }),
        el('reply', { xmlns: NS.reply, id: what.of, to: what.from }),
        ...(what.replaces === undefined ? [] : [el('replace', { xmlns: NS.correct, id: what.replaces })])
      ]
    case 'retraction':
      return [el('retract', { xmlns: NS.retract, id: what.of })]
    case 'timer':
      return [el('ephemeral', { xmlns: NS.ephemeral, timer: String(what.seconds) })]
    case 'resend':
      return [el('resend', { xmlns: NS.kithResend, id: what.of })]
    case 'pin':
    case 'resent':
      return []
  }
}

function repliesTo(reply: Reply): Made[] {
  const length = [...quotation(reply)].length
  return [
    el('reply', { xmlns: NS.reply, id: reply.id, to: reply.from }),
    el('fallback', { xmlns: NS.fallback, for: NS.reply }, el('body', { start: '0', end: String(length) }))
  ]
}

function quotation(reply: Reply | undefined): string {
  if (!reply?.text) return ''
  const text = [...reply.text].slice(0, LONGEST_QUOTE).join('')
  return `${text.replace(/^/gm, '> ')}\n`
}

function wrapped(what: Single, envelope: Envelope | undefined): Made[] {
  if (!envelope) return []
  // Others see keys without a text, which they take for no message
  if (what.type === 'pin' && envelope.payload) {
    const { payload, ...keys } = envelope
    return [encrypted(keys), el('sealed', { xmlns: NS.kithSealed }, base64.encode(payload))]
  }
  const element = encrypted(envelope)
  if (!envelope.payload) return [element]
  const hint = el('encryption', { xmlns: NS.encryption, namespace: NS.omemo, name: 'OMEMO' })
  return [el('body', {}, FALLBACK), element, hint]
}

export function encrypted({ sender, iv, keys, payload }: Envelope): Made {
  const header = el(
    'header',
    { sid: String(sender) },
    ...keys.map(({ device, prekey, data }) =>
      el('key', { rid: String(device), prekey: prekey ? 'true' : undefined }, base64.encode(data))
    ),
    el('iv', {}, base64.encode(iv))
  )
  return el('encrypted', { xmlns: NS.omemo }, header, payload && el('payload', {}, base64.encode(payload)))
}

/** What was encrypted with the message's key, and is no text. */
function sealedIn(message: Xml): Uint8Array | undefined {
  const element = child(message, NS.kithSealed, 'sealed')
  if (!element) return undefined
  try {
    return fromBase64(textOf(element))
  } catch {
    return undefined
  }
}

/** Undefined if there is none, or none that makes sense. */
export function envelopeOf(message: Xml): Envelope | undefined {
  const element = child(message, NS.omemo, 'encrypted')
  const header = child(element, NS.omemo, 'header')
  if (!element || !header) return undefined
  try {
    const payload = child(element, NS.omemo, 'payload')
    return {
      sender: Number(attribute(header, 'sid')),
      iv: fromBase64(textOf(child(header, NS.omemo, 'iv'))),
      keys: children(header, NS.omemo, 'key').map((key) => ({
        device: Number(attribute(key, 'rid')),
        prekey: ['true', '1'].includes(attribute(key, 'prekey')),
        data: fromBase64(textOf(key))
      })),
      ...(payload && { payload: fromBase64(textOf(payload)) })
    }
  } catch {
    return undefined
  }
}

function quoted(message: Xml): number {
  for (const fallback of children(message, NS.fallback, 'fallback')) {
    const body = child(fallback, NS.fallback, 'body')
    if (attribute(fallback, 'for') === NS.reply && attribute(body, 'start') === '0') {
      return Number.parseInt(attribute(body, 'end'), 10) || 0
    }
  }
  return 0
}

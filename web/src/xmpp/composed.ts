/** Builds the stanzas of messages. */
import { base64 } from '@scure/base'
import type { Envelope } from '../crypto/crypto'
import type { Address, OutgoingContent, Reply } from '../local/types'
import { extraOf, encrypted } from './encrypted'
import { bodyOfMedia, inClearOf } from './media'
import { NS } from './ns'
import { quotation } from './quotation'
import { written } from './sealed'
import { el, type OutgoingXml } from './xml'

/** The text that apps without OMEMO show. */
const FALLBACK = 'This message is encrypted (OMEMO). Your client does not seem to support that.'
const LONGEST_ID = 200

/** In place of an envelope: the text is sent unencrypted, since nobody has keys. */
export const UNENCRYPTED = 'unencrypted'
export type Cover = Envelope | typeof UNENCRYPTED

/** Content that is sent in a single stanza. */
export type Single = Exclude<OutgoingContent, { type: 'marker' }>

/** The text to encrypt for an outbox entry; undefined: there is none. */
export function plaintextOf(what: OutgoingContent): string | undefined {
  if (what.type === 'message') return what.media ? bodyOfMedia(what.media) : quotation(what.reply) + what.text
  if (what.type === 'caption') return what.text
  if (what.type === 'reaction' && what.emojis.length) return what.emojis.join(' ')
  if (what.type === 'pin') return written(what)
  if (what.type === 'vote' || what.type === 'close') return what.text
  return undefined
}

/**
 * Builds a stanza. `cover` is given if there is a `plaintextOf`, or to send keys only. `nick`: the user's name, for
 * people who do not get it otherwise (XEP-0172 §4.2); empty: none.
 */
export function made(
  to: Address,
  id: string,
  what: Single,
  cover: Cover | undefined,
  nick = ''
): OutgoingXml {
  const named = nick ? [el('nick', { xmlns: NS.nick }, nick)] : []
  const store = el('store', { xmlns: NS.hints })
  const clear = cover === UNENCRYPTED
  return message(
    to,
    id,
    ...contentOf(what, clear),
    ...(clear ? inClear(what) : wrapped(what, cover)),
    ...named,
    store
  )
}

/** Builds receipts (XEP-0184) or markers (XEP-0333), each in its own stanza. */
export function marks(to: Address, { of, kind }: OutgoingContent & { type: 'marker' }): OutgoingXml[] {
  const xmlns = kind === 'received' ? NS.receipts : NS.markers
  return of.map((id) => {
    const mark = el(kind, { xmlns, id })
    return message(to, `${kind}-${id}`.slice(0, LONGEST_ID), mark, el('store', { xmlns: NS.hints }))
  })
}

/** Builds a message that is sent again, for one device that asked for it. */
export function resentMessage(
  to: Address,
  id: string,
  of: string,
  what: Single,
  envelope: Envelope
): OutgoingXml {
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

/** Builds a message with keys only. */
export function keyTransport(to: Address, envelope: Envelope): OutgoingXml {
  return message(to, crypto.randomUUID(), encrypted(envelope), el('store', { xmlns: NS.hints }))
}

export function chatState(to: Address, on: boolean): OutgoingXml {
  return el(
    'message',
    { xmlns: NS.client, to, type: 'chat' },
    el(on ? 'composing' : 'paused', { xmlns: NS.states }),
    el('no-store', { xmlns: NS.hints })
  )
}

function message(to: Address, id: string, ...content: OutgoingXml[]): OutgoingXml {
  const attributes = { xmlns: NS.client, to, id, type: 'chat' }
  return el('message', attributes, ...content, el('origin-id', { xmlns: NS.sid, id }))
}

export function contentOf(what: Single, clear = false): OutgoingXml[] {
  switch (what.type) {
    case 'message':
      return [
        ...(what.reply ? repliesTo(what.reply, what.media !== undefined) : []),
        ...(what.replaces === undefined ? [] : [el('replace', { xmlns: NS.correct, id: what.replaces })]),
        ...(what.forwarded ? [el('forwarded', { xmlns: NS.kithForwarded })] : []),
        ...(what.unstyled ? [el('unstyled', { xmlns: NS.styling })] : []),
        ...(what.expires ? [el('ephemeral', { xmlns: NS.ephemeral, timer: String(what.expires) })] : []),
        el('request', { xmlns: NS.receipts }),
        el('markable', { xmlns: NS.markers }),
        el('active', { xmlns: NS.states })
      ]
    case 'reaction':
      if (clear || !what.emojis.length) {
        const emojis = what.emojis.map((emoji) => el('reaction', {}, emoji))
        return [el('reactions', { xmlns: NS.reactions, id: what.of }, ...emojis)]
      }
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
      return [el('resend', { xmlns: NS.kithResend, id: what.of, group: what.group })]
    case 'caption':
      return [el('active', { xmlns: NS.states })]
    case 'vote':
    case 'close':
    case 'note':
    case 'pin':
    case 'resent':
      return []
  }
}

/** `bare`: the body has no quotation, since other apps show a file only if the body has nothing else. */
function repliesTo(reply: Reply, bare: boolean): OutgoingXml[] {
  const element = el('reply', { xmlns: NS.reply, id: reply.id, to: reply.from })
  if (bare) return [element]
  const length = [...quotation(reply)].length
  const quoted = el('body', { start: '0', end: String(length) })
  return [element, el('fallback', { xmlns: NS.fallback, for: NS.reply }, quoted)]
}

/** The body of an unencrypted message. A reaction has none, since its own element says everything (XEP-0444). */
export function inClear(what: Single): OutgoingXml[] {
  if (what.type !== 'message' && what.type !== 'caption') return []
  const body = el('body', {}, plaintextOf(what) ?? '')
  return what.type === 'message' && what.media ? [body, ...inClearOf(what.media)] : [body]
}

export function wrapped(what: Single, envelope: Envelope | undefined): OutgoingXml[] {
  if (!envelope) return []
  // Other apps see keys without a payload, which they ignore
  if (what.type === 'pin' && envelope.payload) {
    const { payload, ...keys } = envelope
    return [encrypted(keys), el('sealed', { xmlns: NS.kithSealed }, base64.encode(payload))]
  }
  const extra = extraOf(envelope)
  if (what.type === 'note') return [encrypted(withoutText(envelope)), ...(extra ? [extra] : [])]
  const element = encrypted(envelope)
  if (!envelope.payload) return [element, ...(extra ? [extra] : [])]
  const hint = el('encryption', { xmlns: NS.encryption, namespace: NS.omemo, name: 'OMEMO' })
  return [el('body', {}, FALLBACK), element, ...(extra ? [extra] : []), hint]
}

/** Other apps ignore keys without a text. */
export function withoutText({ sender, iv, keys, extra }: Envelope): Envelope {
  return { sender, iv, keys, ...(extra && { extra }) }
}

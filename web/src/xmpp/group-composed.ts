/** Builds the stanzas of messages to groups, and what is sealed in messages (docs/protocol.md, Groups; docs/media.md). */
import type { Envelope } from '../crypto/crypto'
import { mediaWritten } from '../local/descriptor'
import type { Address, Mention, OutgoingContent } from '../local/types'
import { type Cover, contentOf, inClear, type Single, UNENCRYPTED, withoutText, wrapped } from './composed'
import { NS } from './ns'
import { el, type OutgoingXml } from './xml'

/** The JSON to encrypt beside the text; undefined: there is none. */
export function extraIn(what: OutgoingContent): string | undefined {
  switch (what.type) {
    case 'message':
      if (!what.mentions?.length && !what.poll && !what.media) return undefined
      return JSON.stringify({
        ...(what.mentions?.length && { mentions: what.mentions.map(mentionOf) }),
        ...(what.poll && { poll: what.poll }),
        ...(what.media && { media: mediaWritten(what.media, what.text) })
      })
    case 'caption':
      return JSON.stringify({ caption: what.of })
    case 'note':
      return JSON.stringify(what.note)
    case 'vote':
      return JSON.stringify({ vote: { of: what.of, options: what.options } })
    case 'close':
      return JSON.stringify({ close: { of: what.of } })
    case 'pin':
      return JSON.stringify({ pin: { id: what.of, from: what.from, until: what.until } })
    default:
      return undefined
  }
}

function mentionOf({ jid, start, end }: Mention): Record<string, unknown> {
  return jid ? { jid, start, end } : { all: true, start, end }
}

/** `what`: with the ids and addresses that messages have in the group. `number`: of the members it is for. */
export function madeForGroup(
  to: Address,
  id: string,
  what: Single,
  cover: Cover | undefined,
  number: number,
  nick: string
): OutgoingXml {
  const clear = cover === UNENCRYPTED
  const sealed = cover !== undefined && !clear
  return el(
    'message',
    { xmlns: NS.client, to, id, type: 'groupchat' },
    ...contentOf(what, clear),
    ...(clear ? inClear(what) : covered(what, cover)),
    el('origin-id', { xmlns: NS.sid, id }),
    sealed && el('for', { xmlns: NS.groups, number: String(number) }),
    nick ? el('nick', { xmlns: NS.nick }, nick) : false,
    el('store', { xmlns: NS.hints })
  )
}

/** A message of a group that is sent again, to one device that asked for it. */
export function resentOfGroup(
  to: Address,
  id: string,
  group: Address,
  of: string,
  what: Single,
  envelope: Envelope
): OutgoingXml {
  return el(
    'message',
    { xmlns: NS.client, to, id, type: 'chat' },
    el('resent', { xmlns: NS.kithResend, id: of, group }),
    ...contentOf(what),
    ...covered(what, envelope),
    el('origin-id', { xmlns: NS.sid, id }),
    el('store', { xmlns: NS.hints })
  )
}

/** A message of a group from before somebody came, for them alone. `of`: its id in the group. */
export function passedOn(
  group: Address,
  to: Address,
  of: string,
  what: Single,
  envelope: Envelope
): OutgoingXml {
  const id = crypto.randomUUID()
  return el(
    'message',
    { xmlns: NS.client, to: group, id },
    el('history', { xmlns: NS.groups, jid: to, id: of }),
    ...contentOf(what),
    ...covered(what, envelope),
    el('origin-id', { xmlns: NS.sid, id })
  )
}

/** Says how far this device has received and shown messages, by ids of the group. */
export function groupMarks(to: Address, delivered: string, read: string): OutgoingXml {
  const marks = { ...(delivered && { delivered }), ...(read && { read }) }
  return el(
    'message',
    { xmlns: NS.client, to, type: 'groupchat', id: crypto.randomUUID() },
    el('marks', { xmlns: NS.groups, ...marks }),
    el('no-store', { xmlns: NS.hints })
  )
}

export function groupChatState(to: Address, on: boolean): OutgoingXml {
  return el(
    'message',
    { xmlns: NS.client, to, type: 'groupchat', id: crypto.randomUUID() },
    el(on ? 'composing' : 'paused', { xmlns: NS.states }),
    el('no-store', { xmlns: NS.hints })
  )
}

function covered(what: Single, envelope: Envelope | undefined): OutgoingXml[] {
  if (!envelope) return []
  return wrapped(what, what.type === 'pin' ? withoutText(envelope) : envelope)
}

/** Reconstructs the content of a sent message from what is stored of it. */
import { isGroup } from '../local/address'
import type { Database } from '../local/database'
import type { Address, Message } from '../local/types'
import type { Single } from '../xmpp/composed'
import { memberKey } from '../xmpp/groups'

/**
 * Undefined: no message with this id was sent to `to`, or it is not stored any more. Devices of the user get any sent
 * message.
 */
export async function contentSent(
  db: Database,
  me: Address,
  to: Address,
  id: string,
  group?: Address
): Promise<Single | undefined> {
  const chat = group ?? to
  const messages = await db.messages.where('id').equals(id).toArray()
  const message = messages.find((one) => one.mine && one.kind === 'text' && (to === me || one.chat === chat))
  if (message) return (await mayHave(db, me, to, message)) ? contentOf(message) : undefined
  const changes = [
    ...(await db.changes.where('sent').equals(id).toArray()),
    ...(await db.changes.where('id').equals(id).toArray())
  ]
  const change = changes.find(
    ({ from, target }) => from === me && (to === me || target.startsWith(`${chat} `))
  )
  const target = change && (await db.messages.get(change.target))
  if (!change || !target || !(await mayHave(db, me, to, target))) return undefined
  if (change.kind === 'vote')
    return { type: 'vote', of: target.id, from: target.from, options: change.emojis ?? [], text: '' }
  if (change.kind === 'edit') {
    const media = target.media && { media: target.media }
    return { type: 'message', text: change.text ?? '', replaces: target.id, ...media }
  }
  if (change.kind === 'pin')
    return { type: 'pin', of: target.id, from: target.from, until: change.until ?? 0 }
  if (change.kind !== 'reaction') return undefined
  return { type: 'reaction', of: target.id, from: target.from, emojis: change.emojis ?? [] }
}

/** In a group, only who was there when it was sent gets it again. */
export async function mayHave(db: Database, me: Address, to: Address, message: Message): Promise<boolean> {
  if (to === me || !isGroup(message.chat, me)) return true
  const member = await db.members.get(memberKey(message.chat, to))
  return member !== undefined && !member.invited && member.since <= message.at
}

/** The content that a message was sent with, as it reads now. */
export function contentOf(message: Message): Single {
  const { text, reply, forwarded, unstyled, expires, at, mentions, poll, media } = message
  return {
    type: 'message',
    text,
    ...(reply && { reply }),
    ...(forwarded && { forwarded }),
    ...(unstyled && { unstyled }),
    ...(mentions && { mentions }),
    ...(poll && { poll }),
    ...(media && { media }),
    ...(expires !== undefined && { expires: Math.max(1, Math.ceil((expires - at) / 1000)) })
  }
}

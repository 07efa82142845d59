/** Reconstructs the content of a sent message from what is stored of it. */
import type { Database } from '../local/database'
import type { Address, Message } from '../local/types'
import type { Single } from '../xmpp/composed'

/**
 * Undefined: no message with this id was sent to `to`, or it is not stored any more. Devices of the user get any sent
 * message.
 */
export async function contentSent(
  db: Database,
  me: Address,
  to: Address,
  id: string
): Promise<Single | undefined> {
  const messages = await db.messages.where('id').equals(id).toArray()
  const message = messages.find((one) => one.mine && one.kind === 'text' && (to === me || one.chat === to))
  if (message) return contentOf(message)
  const changes = await db.changes.where('id').equals(id).toArray()
  const change = changes.find(({ from, target }) => from === me && (to === me || target.startsWith(`${to} `)))
  const target = change && (await db.messages.get(change.target))
  if (!change || !target) return undefined
  if (change.kind === 'edit') return { type: 'message', text: change.text ?? '', replaces: target.id }
  if (change.kind === 'pin')
    return { type: 'pin', of: target.id, from: target.from, until: change.until ?? 0 }
  if (change.kind !== 'reaction') return undefined
  return { type: 'reaction', of: target.id, from: target.from, emojis: change.emojis ?? [] }
}

function contentOf({ text, reply, forwarded, unstyled, expires, at }: Message): Single {
  return {
    type: 'message',
    text,
    ...(reply && { reply }),
    ...(forwarded && { forwarded }),
    ...(unstyled && { unstyled }),
    ...(expires !== undefined && { expires: Math.max(1, Math.ceil((expires - at) / 1000)) })
  }
}

/**
 * Messages of a group by the ids that others refer to them with, within one transaction. What is said about a message
 * that is not here yet is kept under its id, and takes effect when the message comes, for example from the archive.
 */
import { addChange, changeKey } from '../local/changes'
import { resolve } from '../local/naming'
import { isArchiveId, messageKey, timeOf } from '../local/order'
import type { Address, Change, Message } from '../local/types'
import type { Work } from '../local/work'
import type { ReceivedMessage } from '../xmpp/received'

/** `Change.target` of what is said about a message of a group that is not here, of which only an id is known. */
export function unknownKey(chat: Address, id: string): string {
  return `${chat} @${id}`
}

/** The keys under which something may have been kept for a message. */
export function unknownKeys({ chat, id, archive }: Pick<Message, 'chat' | 'id' | 'archive'>): string[] {
  return [archive ?? '', id].filter(Boolean).map((one) => unknownKey(chat, one))
}

/**
 * The message of a group with an id: one that the group has given it, or that its author has. `author`: who has to have
 * written it; undefined: anybody.
 */
export async function inGroup(
  work: Work,
  chat: Address,
  id: string,
  author?: Address
): Promise<Message | undefined> {
  if (!id) return undefined
  await work.flush()
  const found = isArchiveId(id)
    ? await work.db.messages
        .where('[chat+at+order]')
        .equals([chat, timeOf(id), id])
        .toArray()
    : []
  if (!found.length) {
    const named = await work.db.messages.where('id').equals(id).toArray()
    found.push(...named.filter((one) => one.chat === chat))
  }
  if (!found.length && author !== undefined) {
    const key = await resolve(work, messageKey(chat, author, false, id))
    const meant = await work.message(key)
    if (meant) found.push(meant)
  }
  const one = found.find((message) => author === undefined || message.from === author)
  return one && work.message(one.key)
}

/** Keeps what is said about a message that is not here. The last of each kind and person counts. */
export async function keep(
  work: Work,
  { chat, from, archive }: ReceivedMessage,
  of: string,
  kind: Change['kind'],
  content: Partial<Pick<Change, 'emojis' | 'until' | 'id' | 'text' | 'encrypted'>>
): Promise<void> {
  if (!of || !archive) return
  const target = unknownKey(chat, of)
  const key = changeKey(kind, target, from)
  const known = await work.change(key, target)
  if (known && known.order >= archive) return
  work.setChange({ key, target, kind, from, order: archive, encrypted: true, ...content })
}

/**
 * A message is about to be stored: what was kept for it becomes changes of it. Whether its author, or an admin, may do
 * that is seen when a change is applied.
 */
export async function adopt(work: Work, me: Address, message: Message): Promise<void> {
  for (const unknown of unknownKeys(message)) {
    for (const kept of await work.allChanges(unknown)) {
      work.dropChange(kept.key)
      const change = fitting(message, kept)
      if (!change) continue
      const key = changeKey(change.kind, message.key, change.from)
      await addChange(work, me, { ...change, key, target: message.key })
    }
  }
}

/** What was kept, as a change of the message; undefined: it means another one. */
function fitting(message: Message, kept: Change): Change | undefined {
  const { text, ...change } = kept
  switch (kept.kind) {
    case 'retraction':
      // the group says so: an admin has deleted it
      return kept.from === message.chat ? { ...change, from: message.from, by: message.chat } : change
    case 'pin':
      return text === message.from ? change : undefined
    case 'vote': {
      const known = new Set(message.poll?.options.map(({ id }) => id))
      const chosen = (kept.emojis ?? []).filter((one) => known.has(one))
      return { ...change, emojis: message.poll?.several ? chosen : chosen.slice(0, 1) }
    }
    default:
      return change
  }
}

/** An admin has deleted a message for everybody, as the group says. */
export async function moderate(work: Work, me: Address, incoming: ReceivedMessage): Promise<void> {
  const { chat, moderated } = incoming
  if (!moderated) return
  const message = await inGroup(work, chat, moderated.id)
  if (!message) {
    await keep(work, { ...incoming, from: chat }, moderated.id, 'retraction', {})
    return
  }
  if (message.kind === 'deleted') return
  await addChange(work, me, {
    ...{ key: changeKey('retraction', message.key, message.from), target: message.key, kind: 'retraction' },
    ...{ from: message.from, order: incoming.archive || message.order, encrypted: false, by: chat }
  })
}

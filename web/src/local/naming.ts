/**
 * Resolves references to messages. Some apps refer to a message by the id of its last correction (XEP-0308); this means
 * the corrected message, whichever of the two arrives first.
 */
import { messageKey } from './order'
import type { Database } from './database'
import type { Address, Message } from './types'
import type { Work } from './work'

/** The key of the message that this key refers to. */
export async function resolve(work: Work, key: string): Promise<string> {
  return (await work.alias(key)) ?? key
}

/** All ids by which others may refer to a message. */
export async function namesOf(work: Work, { key, id }: Message): Promise<string[]> {
  const aliases = (await work.allChanges(key)).filter(({ kind }) => kind === 'alias')
  return [id, ...aliases.map((alias) => alias.id ?? '')].filter(Boolean)
}

/** The keys that a message of a chat with this id can have: it is mine, or the other person's. */
export function keysNamed(me: Address, chat: Address, id: string): string[] {
  return [messageKey(chat, me, true, id), messageKey(chat, chat, false, id)]
}

/** For screens: the message of a chat with an id. */
export async function named(
  db: Database,
  me: Address,
  chat: Address,
  id: string
): Promise<Message | undefined> {
  const keys = keysNamed(me, chat, id)
  const aliases = await db.changes.bulkGet(keys.map((key) => `alias ${key}`))
  const all = await db.messages.bulkGet([...keys, ...aliases.map((alias) => alias?.target ?? '')])
  return all.find((message) => message !== undefined)
}

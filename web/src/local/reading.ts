/**
 * How far back the server's archive was read. From there on, the local storage has everything the archive has; older
 * messages come from another device or a backup, and may have gaps.
 */
import type { Database } from './database'
import type { Address, Moment } from './types'

/** A fact: the oldest archive entry that was read for all chats at once; empty: everything was read. */
export const READ_FROM = 'archive.from'

/** The fact for one chat: the oldest entry that was read for this chat only, or `all`. */
export function olderFact(chat: Address): string {
  return `older ${chat}`
}

/** The point of a chat before which the archive was not read: an entry, or a time; undefined: everything was read. */
export async function unreadBefore(
  db: Database,
  chat: Address
): Promise<{ entry: string } | { time: Moment } | undefined> {
  const older = await db.fact<string>(olderFact(chat))
  if (older === 'all') return undefined
  const entry = older ?? (await db.fact<string>(READ_FROM))
  if (entry !== undefined) return entry ? { entry } : undefined
  // A device from before this was stored: everything since its first login was read
  const time = await db.fact<Moment>('since')
  return { time: time ?? Infinity }
}

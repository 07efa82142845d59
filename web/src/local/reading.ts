/**
 * How far back the server's archive was read. All that it has from there on is in the local storage; what is there from
 * before came from another device or a backup, and may have holes.
 */
import type { Database } from './database'
import type { Address, Moment } from './types'

/** A fact: the oldest entry of the archive that was read for all chats at once; empty: all were. */
export const READ_FROM = 'archive.from'

/** The fact for one chat: where what was read of it alone begins, or `all`. */
export function olderFact(chat: Address): string {
  return `older ${chat}`
}

/** What of a chat is before this was not read from the archive: an entry, or a time; undefined: all was read. */
export async function unreadBefore(
  db: Database,
  chat: Address
): Promise<{ entry: string } | { time: Moment } | undefined> {
  const older = await db.fact<string>(olderFact(chat))
  if (older === 'all') return undefined
  const entry = older ?? (await db.fact<string>(READ_FROM))
  if (entry !== undefined) return entry ? { entry } : undefined
  // A device from before that was noted: all since its first login was read
  const time = await db.fact<Moment>('since')
  return { time: time ?? Infinity }
}

/** Finding messages by the beginnings of their words. */
import type { Database } from './database'
import type { Address } from './types'
import { wordsOf } from './words'

/** Rows of one word that are looked at; a search for one letter in a long history is cut off. */
const MOST = 20_000

/** Keys of the messages that have all of the words, the newest first. */
export async function search(db: Database, text: string, chat?: Address, limit = 50): Promise<string[]> {
  const words = wordsOf(text).sort((a, b) => b.length - a.length)
  const [longest, ...others] = words
  if (!longest) return []
  const found = await db.words
    .where('words')
    .startsWith(longest)
    .distinct()
    .filter(
      (row) =>
        (chat === undefined || row.chat === chat) &&
        others.every((word) => row.words.some((one) => one.startsWith(word)))
    )
    .limit(MOST)
    .toArray()
  const messages = await db.messages.bulkGet(found.map((row) => row.key))
  return messages
    .filter((message) => message !== undefined)
    .sort((a, b) => (a.order < b.order ? 1 : -1))
    .slice(0, limit)
    .map((message) => message.key)
}

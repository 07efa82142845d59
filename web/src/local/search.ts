/**
 * Finding messages: by the beginnings of their words, which an index has, and by any part of their text (inside a word, an
 * emoji, a sign), for which the texts are read.
 */
import type { Database } from './database'
import type { Address, Message } from './types'
import { folded, isSought, termsOf, wordsOf } from './words'

/** Rows of one word that are looked at; a search for one letter in a long history is cut off. */
const MOST = 20_000
/** Messages that are read at once, and in all. */
const AT_ONCE = 2000
const MOST_READ = 200_000

/** Keys of the messages that have all of the words or parts, the newest first. */
export async function search(db: Database, text: string, chat?: Address, limit = 50): Promise<string[]> {
  const found = new Map((await byWords(db, text, chat)).map((message) => [message.key, message]))
  if (found.size < limit && isSought(text)) {
    for (const message of await byParts(db, termsOf(text), chat)) found.set(message.key, message)
  }
  return [...found.values()]
    .sort((a, b) => (a.order < b.order ? 1 : -1))
    .slice(0, limit)
    .map((message) => message.key)
}

async function byWords(db: Database, text: string, chat?: Address): Promise<Message[]> {
  // What has signs as well is found by its parts alone
  if (termsOf(text).some((term) => wordsOf(term).join('') !== term)) return []
  const words = wordsOf(text).sort((a, b) => b.length - a.length)
  const [longest, ...others] = words
  if (!longest) return []
  const rows = await db.words
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
  const messages = await db.messages.bulkGet(rows.map((row) => row.key))
  return messages.filter((message) => message !== undefined)
}

async function byParts(db: Database, terms: string[], chat?: Address): Promise<Message[]> {
  const found: Message[] = []
  // the key of a message begins with its chat
  const end = chat === undefined ? '\uffff' : `${chat} \uffff`
  let after = chat === undefined ? '' : `${chat} `
  for (let read = 0; read < MOST_READ; read += AT_ONCE) {
    const page = await db.messages.where('key').between(after, end, false, true).limit(AT_ONCE).toArray()
    for (const message of page) {
      if (message.kind !== 'text' || (chat !== undefined && message.chat !== chat)) continue
      const text = folded(message.text)
      if (terms.every((term) => text.includes(term))) found.push(message)
    }
    after = page.at(-1)?.key ?? ''
    if (page.length < AT_ONCE) break
  }
  return found
}

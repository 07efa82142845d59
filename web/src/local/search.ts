/**
 * Searches messages: by the beginnings of words, with an index, and by any part of the text (within a word, an emoji,
 * punctuation), by reading the texts.
 */
import type { Database } from './database'
import type { Address, Message } from './types'
import { folded, isSought, termsOf, wordsOf } from './words'

/** The maximum number of rows for one word; a search for one letter in a long history is cut off. */
const MOST = 20_000
/** How many messages are read at once, and in total. */
const AT_ONCE = 500
const MOST_READ = 200_000

export interface SearchOptions {
  /** Ends the search, because nobody waits for the result any more. */
  signal?: AbortSignal
  /** Called with the results of the index, if all texts are read afterwards. */
  early?: (keys: string[]) => void
}

/** The keys of the messages that have all words or parts, the newest first. Rejects with the reason of the signal. */
export async function search(
  db: Database,
  text: string,
  chat?: Address,
  limit = 50,
  { signal, early }: SearchOptions = {}
): Promise<string[]> {
  const found = new Map((await byWords(db, text, chat, signal)).map((message) => [message.key, message]))
  signal?.throwIfAborted()
  const newest = (): string[] =>
    [...found.values()]
      .sort((a, b) => (a.order < b.order ? 1 : -1))
      .slice(0, limit)
      .map((message) => message.key)
  if (found.size < limit && isSought(text)) {
    early?.(newest())
    for (const message of await byParts(db, termsOf(text), chat, signal)) found.set(message.key, message)
  }
  return newest()
}

async function byWords(
  db: Database,
  text: string,
  chat: Address | undefined,
  signal: AbortSignal | undefined
): Promise<Message[]> {
  // A term with punctuation is found only by its parts
  if (termsOf(text).some((term) => wordsOf(term).join('') !== term)) return []
  const [longest, ...others] = wordsOf(text).sort((a, b) => b.length - a.length)
  if (!longest) return []
  const rows = db.words.where('words').startsWith(longest).distinct()
  const fits = (row: { chat: Address; words: string[] }): boolean =>
    (chat === undefined || row.chat === chat) &&
    others.every((word) => row.words.some((one) => one.startsWith(word)))
  // If the index is enough, no row is read
  const fitting = others.length || chat !== undefined ? rows.filter(fits) : rows
  const keys = await fitting.limit(MOST).primaryKeys()
  const found: Message[] = []
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    signal?.throwIfAborted()
    const messages = await db.messages.bulkGet(keys.slice(at, at + AT_ONCE))
    found.push(...messages.filter((message) => message !== undefined))
  }
  return found
}

async function byParts(
  db: Database,
  terms: string[],
  chat: Address | undefined,
  signal: AbortSignal | undefined
): Promise<Message[]> {
  const found: Message[] = []
  // the key of a message begins with its chat
  const end = chat === undefined ? '\uffff' : `${chat} \uffff`
  let after = chat === undefined ? '' : `${chat} `
  for (let read = 0; read < MOST_READ; read += AT_ONCE) {
    const page = await db.messages.where('key').between(after, end, false, true).limit(AT_ONCE).toArray()
    signal?.throwIfAborted()
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

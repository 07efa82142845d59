/**
 * Searches messages in two ways. The index finds messages by the beginnings of their words. If that finds too few, the
 * texts are read, which finds any part of a text: the middle of a word, an emoji, punctuation.
 */
import type { Database } from './database'
import type { Address, Message } from './types'
import { folded, isSought, termsOf, wordsOf } from './words'

/** The maximum number of messages that are taken from the index: a single letter may be in all of a long history. */
const MAX_FROM_INDEX = 20_000
/** How many messages are read at once. */
const PAGE = 500
/** The maximum number of messages whose texts are read for one search. */
const MAX_READ = 200_000

export interface SearchOptions {
  /** Aborts the search, when nobody waits for the result any more. */
  signal?: AbortSignal
  /** Called with the keys found by the index, if the texts are read afterwards, which takes longer. */
  early?: (keys: string[]) => void
}

/**
 * The keys of the messages that contain all terms of `text`, the newest first. `chat`: searches only this chat. `limit`:
 * the maximum number of keys. Rejects with the reason of `signal` when it aborts.
 */
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
  // the index has no punctuation
  if (termsOf(text).some((term) => wordsOf(term).join('') !== term)) return []
  const [longest, ...others] = wordsOf(text).sort((a, b) => b.length - a.length)
  if (!longest) return []
  const rows = db.words.where('words').startsWith(longest).distinct()
  const fits = (row: { chat: Address; words: string[] }): boolean =>
    (chat === undefined || row.chat === chat) &&
    others.every((word) => row.words.some((one) => one.startsWith(word)))
  // without a filter, the keys come from the index alone, and no row is read
  const fitting = others.length || chat !== undefined ? rows.filter(fits) : rows
  const keys = await fitting.limit(MAX_FROM_INDEX).primaryKeys()
  const found: Message[] = []
  for (let at = 0; at < keys.length; at += PAGE) {
    signal?.throwIfAborted()
    const messages = await db.messages.bulkGet(keys.slice(at, at + PAGE))
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
  // a message's key begins with the address of its chat and a space
  const end = chat === undefined ? '\uffff' : `${chat} \uffff`
  let after = chat === undefined ? '' : `${chat} `
  for (let read = 0; read < MAX_READ; read += PAGE) {
    const page = await db.messages.where('key').between(after, end, false, true).limit(PAGE).toArray()
    signal?.throwIfAborted()
    for (const message of page) {
      if (message.kind !== 'text' || (chat !== undefined && message.chat !== chat)) continue
      const text = folded(message.text)
      if (terms.every((term) => text.includes(term))) found.push(message)
    }
    after = page.at(-1)?.key ?? ''
    if (page.length < PAGE) break
  }
  return found
}

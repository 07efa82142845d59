/**
 * Decrypts received messages before they are stored, and detects which are known already: by their id, or as another
 * message of the same sender with the same id (`same-id.ts`).
 */
import type { Crypto, Opened } from '../crypto/crypto'
import type { Database } from '../local/database'
import { messageKey, twinKey } from '../local/order'
import { rowsOf } from '../local/rows'
import type { Address, Message } from '../local/types'
import { isBlank } from '../local/words'
import { unquoted } from '../xmpp/quotation'
import type { ReceivedMessage } from '../xmpp/received'
import { type First, firstOf, mayDiffer, twinsOf } from './same-id'

/** A decrypted message, before it is stored. */
export interface Ready {
  came: ReceivedMessage
  /** The key of the stored message that it is or becomes. */
  key: string
  /** Undefined: it was not encrypted, or is known. */
  opened: Opened | undefined
  known: boolean
  /** It was decrypted before but is not stored, so the sender's device was asked for it again. */
  asked?: boolean
  /** For a message that was sent twice: the key that the second archive entry would have. */
  retry?: string
}

export class Decryption {
  constructor(
    private readonly db: Database,
    private readonly crypto: Crypto
  ) {}

  /**
   * Decrypts messages that are not known yet: those of each sender in order, several senders in parallel. Adds the keys
   * of messages that are not stored to `absent`.
   */
  async open(all: ReceivedMessage[], absent: Set<string>): Promise<Ready[]> {
    const keys = all.map((came) => keyOf(came))
    const [messages, seen] = await Promise.all([rowsOf(this.db.messages, keys), rowsOf(this.db.seen, keys)])
    for (const [at, key] of keys.entries()) if (!messages[at] && !seen[at]) absent.add(key)
    const handled = new Map<string, Promise<Ready>[]>()
    const senders = new Map<Address, Promise<unknown>>()
    /** Decrypts after the earlier messages of the same sender. */
    const decrypt = (came: ReceivedMessage): Promise<Opened | undefined> => {
      const { envelope, from } = came
      if (!envelope) return Promise.resolve(undefined)
      const before = senders.get(from) ?? Promise.resolve()
      const opening = before.then(() => {
        const sent = came.resent ? undefined : came.at
        return this.crypto.decrypt(from, envelope, came.resent || came.id, sent)
      })
      senders.set(from, opening)
      return opening
    }
    return Promise.all(
      all.map((came, at): Promise<Ready> => {
        const key = keys[at] ?? ''
        const earlier = handled.get(key) ?? []
        const ready = (async (): Promise<Ready> => {
          const there = (came.resent ? await resentTarget(this.db, came) : messages[at]) as
            Message | undefined
          const missing = there?.standsIn || (came.resent && there?.kind === 'unreadable')
          const known = earlier.length > 0 || seen[at] !== undefined || (there !== undefined && !missing)
          if (!known) {
            const opened = await decrypt(came)
            const asked = opened?.type === 'again' && (await this.askAgain(came))
            return { came, key, opened, known, asked }
          }
          const archive = there?.archive ?? seen[at]?.archive ?? all[keys.indexOf(key)]?.archive
          if (!mayDiffer(came, archive)) return { came, key, opened: undefined, known }
          const others = await Promise.all(earlier)
          return this.twin(came, key, [firstOf(there), ...others.map(said)], () => decrypt(came))
        })()
        handled.set(key, [...earlier, ready])
        return ready
      })
    )
  }

  private async askAgain({ from, envelope, resent, id }: ReceivedMessage): Promise<boolean> {
    return envelope?.payload !== undefined && this.crypto.askAgain(from, envelope.sender, resent || id)
  }

  /** Handles a message with a known id but another archive entry: it is another message, or a retry. */
  private async twin(
    came: ReceivedMessage,
    key: string,
    known: (First | undefined)[],
    decrypt: () => Promise<Opened | undefined>
  ): Promise<Ready> {
    const own = twinKey(key, came.archive)
    const again = (await this.db.messages.get(own)) ?? (await this.db.seen.get(own))
    if (again) return { came, key: own, opened: undefined, known: true }
    const opened = await decrypt()
    if (came.edits) return { came, key: own, opened, known: false }
    const { text } = said({ came, key, opened, known: false })
    const all = [...known, ...(await twinsOf(this.db, key)).map(firstOf)]
    const retry = came.envelope && opened?.type !== 'text' && opened?.type !== 'unreadable'
    if (retry || (text !== undefined && all.some((one) => one?.text === text))) {
      return { came, key, opened: undefined, known: true, retry: own }
    }
    return { came, key: own, opened, known: false }
  }
}

/** The text of a message as it is shown. */
function said({ came, opened }: Ready): First {
  const text = opened?.type === 'text' ? opened.text : came.text
  const shown = text === undefined ? undefined : answerIn(came, text).text
  return { archive: came.archive, text: shown }
}

/** The text of a reply without the quotation. If nothing would be left, the whole text is kept. */
export function answerIn(came: ReceivedMessage, text: string): { text: string; quote: string } {
  const found = came.reply ? unquoted(text, came.quoted) : { text, quote: '' }
  return isBlank(found.text) ? { text, quote: '' } : found
}

/** `Message.key`. */
export function keyOf({ chat, from, mine, id }: ReceivedMessage): string {
  return messageKey(chat, from, mine, id)
}

/** The stored message that this one is sent again for. */
export async function resentTarget(
  db: Database,
  { chat, from, mine, resent }: ReceivedMessage
): Promise<Message | undefined> {
  if (!mine) return db.messages.get(messageKey(chat, from, mine, resent))
  return db.messages
    .where('id')
    .equals(resent)
    .filter((message) => message.mine)
    .first()
}

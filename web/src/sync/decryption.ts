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
import { requestName } from './keys'
import { type First, firstOf, mayDiffer, twinsOf } from './same-id'

/** A decrypted message, before it is stored. */
export interface Ready {
  incoming: ReceivedMessage
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
    const keys = all.map((incoming) => keyOf(incoming))
    const [messages, seen] = await Promise.all([rowsOf(this.db.messages, keys), rowsOf(this.db.seen, keys)])
    for (const [at, key] of keys.entries()) if (!messages[at] && !seen[at]) absent.add(key)
    const handled = new Map<string, Promise<Ready>[]>()
    const senders = new Map<Address, Promise<unknown>>()
    /** Decrypts after the earlier messages of the same sender. */
    const decrypt = (incoming: ReceivedMessage): Promise<Opened | undefined> => {
      const { envelope, sender } = incoming
      if (!envelope) return Promise.resolve(undefined)
      const before = senders.get(sender) ?? Promise.resolve()
      const opening = before.then(() => {
        const sent = incoming.resent ? undefined : incoming.at
        return this.crypto.decrypt(sender, envelope, requestName(incoming), sent)
      })
      senders.set(sender, opening)
      return opening
    }
    return Promise.all(
      all.map((incoming, at): Promise<Ready> => {
        const key = keys[at] ?? ''
        const earlier = handled.get(key) ?? []
        const ready = (async (): Promise<Ready> => {
          const there = (incoming.resent ? await resentTarget(this.db, incoming) : messages[at]) as
            Message | undefined
          const missing = there?.standsIn || (incoming.resent && there?.kind === 'unreadable')
          const known = earlier.length > 0 || seen[at] !== undefined || (there !== undefined && !missing)
          if (!known) {
            const opened = await decrypt(incoming)
            const asked = opened?.type === 'again' && (await this.askAgain(incoming))
            return { incoming, key, opened, known, asked }
          }
          const archive = there?.archive ?? seen[at]?.archive ?? all[keys.indexOf(key)]?.archive
          if (!mayDiffer(incoming, archive)) return { incoming, key, opened: undefined, known }
          const others = await Promise.all(earlier)
          return this.twin(incoming, key, [firstOf(there), ...others.map(said)], () => decrypt(incoming))
        })()
        handled.set(key, [...earlier, ready])
        return ready
      })
    )
  }

  private async askAgain(incoming: ReceivedMessage): Promise<boolean> {
    const { from, envelope } = incoming
    if (envelope?.payload === undefined && envelope?.extra === undefined) return false
    return this.crypto.askAgain(from, envelope.sender, requestName(incoming))
  }

  /** Handles a message with a known id but another archive entry: it is another message, or a retry. */
  private async twin(
    incoming: ReceivedMessage,
    key: string,
    known: (First | undefined)[],
    decrypt: () => Promise<Opened | undefined>
  ): Promise<Ready> {
    const own = twinKey(key, incoming.archive)
    const again = (await this.db.messages.get(own)) ?? (await this.db.seen.get(own))
    if (again) return { incoming, key: own, opened: undefined, known: true }
    const opened = await decrypt()
    if (incoming.edits) return { incoming, key: own, opened, known: false }
    const { text } = said({ incoming, key, opened, known: false })
    const all = [...known, ...(await twinsOf(this.db, key)).map(firstOf)]
    const retry = incoming.envelope && opened?.type !== 'text' && opened?.type !== 'unreadable'
    if (retry || (text !== undefined && all.some((one) => one?.text === text))) {
      return { incoming, key, opened: undefined, known: true, retry: own }
    }
    return { incoming, key: own, opened, known: false }
  }
}

/** The text of a message as it is shown. */
function said({ incoming, opened }: Ready): First {
  const text = opened?.type === 'text' ? opened.text : incoming.text
  const shown = text === undefined ? undefined : answerIn(incoming, text).text
  return { archive: incoming.archive, text: shown }
}

/** The text of a reply without the quotation. If nothing would be left, the whole text is kept. */
export function answerIn(incoming: ReceivedMessage, text: string): { text: string; quote: string } {
  const found = incoming.reply ? unquoted(text, incoming.quoted) : { text, quote: '' }
  return isBlank(found.text) ? { text, quote: '' } : found
}

/** `Message.key`. */
export function keyOf({ chat, from, mine, id }: ReceivedMessage): string {
  return messageKey(chat, from, mine, id)
}

/** The stored message that this one is sent again for. */
export async function resentTarget(
  db: Database,
  { chat, from, mine, resent, again }: ReceivedMessage
): Promise<Message | undefined> {
  if (again) return db.messages.get(messageKey(again, from, mine, resent))
  if (!mine) return db.messages.get(messageKey(chat, from, mine, resent))
  return db.messages
    .where('id')
    .equals(resent)
    .filter((message) => message.mine)
    .first()
}

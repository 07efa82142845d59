/**
 * Different messages of one sender that share an id, as sent by clients that restart their counter. An archive entry
 * with the same id but another content is another message; with the same content it is a retry.
 */
import type { Database } from '../local/database'
import { twinKey } from '../local/order'
import type { Message } from '../local/types'
import type { Work } from '../local/work'
import type { ReceivedMessage } from '../xmpp/received'

/** What is known of the first message with the id. */
export interface First {
  archive: string | undefined
  /** Undefined: it is not known any more. */
  text: string | undefined
}

/** Whether this may be another message than the known one: it has a different archive entry, and content to show. */
export function mayDiffer(incoming: ReceivedMessage, first: string | undefined): boolean {
  const { archive, reaction, retracts, resent, sealed, tombstone, envelope, text } = incoming
  if (!archive || !first || first === archive) return false
  if (reaction || retracts || resent || sealed || tombstone) return false
  return envelope ? envelope.payload !== undefined : text !== undefined
}

export function firstOf(there: Message | undefined): First | undefined {
  if (!there) return undefined
  const asCame = there.kind === 'text' && there.edited === undefined
  return { archive: there.archive, text: asCame ? there.text : undefined }
}

/** Of several messages with an id that is referred to: the last one at that time. */
export async function named(work: Work, key: string, order: string): Promise<string> {
  const first = await work.message(key)
  if (first ? !first.twins : !(await work.isSeen(key))) return key
  await work.flush()
  const all = await twinsOf(work.db, key)
  if (first) all.push(first)
  const before = all.filter((one) => one.order <= order).sort((a, b) => (a.order < b.order ? 1 : -1))
  return (before[0] ?? all[0])?.key ?? key
}

export function twinsOf(db: Database, key: string): Promise<Message[]> {
  return db.messages.where('key').startsWith(twinKey(key, '')).toArray()
}

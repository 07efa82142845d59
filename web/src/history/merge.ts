/**
 * Merges records into the local history. Missing messages are added where they belong; existing ones change only if the
 * record is newer. So the same history may arrive twice, in any order, and while the archive is being read.
 */
import { hex } from '@scure/base'
import { type Bytes, fromBase64 } from '../local/bytes'
import { newContact } from '../local/contact'
import { describedByName, fromAesgcm } from '../local/aesgcm'
import { mediaIn, mediaUrl } from '../local/descriptor'
import type { Database } from '../local/database'
import { isGroup, isServer } from '../local/address'
import { addChange, changeKey } from '../local/changes'
import { readTo } from '../local/chats'
import { addMessage } from '../local/messages'
import { raise } from '../local/progress'
import { addAlias } from '../local/aliases'
import { isWaiting, messageKey, timeOf, twinKey } from '../local/order'
import type { Address, Chat, Message, Moment, Picture } from '../local/types'
import { pictureType } from '../local/picture'
import { emojisIn } from '../local/reactions'
import { Work } from '../local/work'
import {
  type ChangeRecord,
  type ChatRecord,
  type ContactRecord,
  type HistoryRecord,
  type MessageRecord,
  type PictureRecord
} from './records'

/** The result of merging records. */
export interface Merged {
  /** The number of new messages. */
  added: number
  /** The keys of messages with new changes. */
  changedTargets: Set<string>
}

/** Merges records in one transaction. `also`: called within the transaction, for example to store the progress. */
export async function merge(
  db: Database,
  me: Address,
  records: HistoryRecord[],
  now: Moment,
  also: (added: number) => Promise<void> = () => Promise.resolve()
): Promise<Merged> {
  const pictures = await Promise.all(
    records.map((one) => (one.type === 'picture' ? pictureOf(one) : undefined))
  )
  return db.transaction('rw', [...db.historyTables, db.pictures], async () => {
    const work = new Work(db)
    const merging = new Merging(db, me, work, now)
    await db.pictures.bulkPut(pictures.filter((one) => one !== undefined))
    await merging.prepare(records)
    for (const record of records) await merging.take(record)
    await work.flush()
    await also(merging.added)
    return { added: merging.added, changedTargets: work.changedTargets }
  })
}

/** What identifies a message, together with its id. */
interface Named {
  chat: Address
  mine: boolean
  author?: Address
  archive?: string
}

/** How long other devices may not have known of a new device, in milliseconds: they did not encrypt for it. */
const FIRST_DAY_MS = 86_400_000

class Merging {
  added = 0

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly work: Work,
    private readonly now: Moment
  ) {}

  /** Prepares to add messages that this device has seen but could not read; those that were removed here stay so. */
  async prepare(records: HistoryRecord[]): Promise<void> {
    const { db, work } = this
    await work.fetch(this.keysOf(records))
    const messages = records.filter((record) => record.type === 'message')
    const keys = messages.flatMap((record) => this.keys(record, record.id))
    const orders = new Map(
      messages.flatMap((one) => this.keys(one, one.id).map((key) => [key, one.order] as const))
    )
    const first = ((await db.fact<Moment>('since')) ?? Infinity) + FIRST_DAY_MS
    const seen = (await db.seen.bulkGet(keys)).flatMap((row) => {
      if (!row || row.gone) return []
      // Rows without either field are from a version that did not distinguish these. A message from the time before others
      // knew this device was unreadable; a later one that is missing was deleted.
      const unread = row.archive !== undefined || timeOf(orders.get(row.key) ?? '') < first
      return unread ? [row.key] : []
    })
    if (seen.length) await work.setUnseen(seen)
  }

  private keysOf(records: HistoryRecord[]): string[] {
    const keys = records.flatMap((record) => {
      if (record.type === 'message' || record.type === 'star') return this.keys(record, record.id)
      if (record.type === 'change') return this.keys(record, record.of)
      return record.type === 'gone' ? record.keys : []
    })
    return [...new Set(keys)]
  }

  async take(record: HistoryRecord): Promise<void> {
    await this.work.keepAlive()
    if (record.type === 'message') await this.message(record)
    else if (record.type === 'change') await this.change(record)
    else if (record.type === 'chat') await this.chat(record)
    else if (record.type === 'contact') await this.contact(record)
    else if (record.type === 'star') await this.star(await this.keyOf(record, record.id))
    else if (record.type === 'gone') await this.gone(record.keys)
  }

  private async message(record: MessageRecord): Promise<void> {
    const { chat, id, mine, order, kind, text, encrypted, progress, expires, archive } = record
    if (!mine && isGroup(chat, this.me) && !record.author) return
    const key = await this.keyOf(record, id)
    const known = await this.work.message(key)
    if (known && known.kind !== 'unreadable' && !(known.standsIn && !record.standsIn)) {
      const behind = known.mine && known.progress !== 'waiting' && known.progress !== 'failed'
      if (behind && progress !== 'failed') await raise(this.work, key, progress)
      return
    }
    if (expires !== undefined && expires <= this.now) return
    const message: Message = {
      ...{ key, chat, at: timeOf(order), order, from: this.authorOf(record), mine, id, kind, text },
      ...{ progress, reactions: {}, encrypted },
      ...(record.failure && { failure: record.failure }),
      ...(record.untrusted !== undefined && { untrusted: record.untrusted }),
      ...(archive && !mine && { archive }),
      ...(record.call && { call: record.call }),
      ...(record.twins && { twins: true }),
      ...(record.reply && { reply: record.reply }),
      ...(record.forwarded && { forwarded: true }),
      ...(record.announcement && !mine && isServer(chat, this.me) && { announcement: true }),
      ...(record.unstyled && { unstyled: true }),
      ...(kind === 'text' && mediaOf(record)),
      ...(record.standsIn && { standsIn: true }),
      ...(record.edited !== undefined && { edited: record.edited }),
      ...(record.edits && { edits: record.edits }),
      ...(record.deliveredAt !== undefined && { deliveredAt: record.deliveredAt }),
      ...(record.readAt !== undefined && { readAt: record.readAt }),
      ...(record.pinned !== undefined && { pinned: record.pinned }),
      ...(record.pinOrder !== undefined && { pinOrder: record.pinOrder }),
      ...(expires !== undefined && { expires }),
      ...(isGroup(chat, this.me) && inGroup(record))
    }
    if ((await addMessage(this.work, this.me, message)) || known) this.added += 1
    const first = this.key(record, id)
    if (key !== first) {
      const there = await this.work.message(first)
      if (there && !there.twins) this.work.setMessage({ ...there, twins: true })
    }
  }

  /** Adds a change, unless a newer one of the same kind by the same person is known. */
  private async change(record: ChangeRecord): Promise<void> {
    const { chat, of, kind, from, order, encrypted, id, text, emojis, until, earlier } = record
    const inGroup = isGroup(chat, this.me)
    if (from !== this.me && from !== chat && !inGroup) return
    const target = await this.keyOf(record, of)
    if (await this.work.isSeen(target)) return
    await addChange(this.work, this.me, {
      ...{ key: changeKey(kind, target, from), target, kind, from, order, encrypted },
      ...(id !== undefined && { id }),
      ...(text !== undefined && { text }),
      ...(record.unstyled && { unstyled: true }),
      ...(emojis && { emojis: kind === 'vote' ? emojis : emojisIn(emojis) }),
      ...(until !== undefined && { until }),
      ...(earlier && { earlier }),
      ...(inGroup && record.by === chat && { by: chat })
    })
    if (kind !== 'edit') return
    for (const one of [...(earlier ?? []), record]) {
      if (one.id === undefined) continue
      await addAlias(this.work, this.me, messageKey(chat, from, from === this.me, one.id), target)
    }
  }

  /** The read position never goes back, and settings of this device are kept. */
  private async chat(record: ChatRecord): Promise<void> {
    const fresh = (await this.db.chats.get(record.address)) === undefined
    const chat: Chat = { ...(await this.work.chat(record.address)) }
    if (fresh && !chat.last) {
      chat.pinned = record.pinned
      chat.mutedUntil = record.muted < 0 ? Infinity : record.muted
      chat.archived = record.archived
      if (record.favourite) chat.favourite = true
    }
    if (!chat.draft) chat.draft = record.draft
    if (record.seenTo > chat.seenTo) {
      chat.seenTo = record.seenTo
      delete chat.seenAt
      if (record.seenAt !== undefined) chat.seenAt = record.seenAt
    } else if (record.seenTo && record.seenTo === chat.seenTo && record.seenAt !== undefined) {
      chat.seenAt = Math.max(record.seenAt, chat.seenAt ?? 0)
    }
    if (!isWaiting(chat.timerOrder) && record.timerOrder > chat.timerOrder) {
      chat.timerOrder = record.timerOrder
      chat.disappears = record.disappears
    }
    this.work.setChat(chat)
    if (record.readTo > chat.readTo) await readTo(this.work, record.address, record.readTo)
  }

  private async contact({ address, nick, about, picture }: ContactRecord): Promise<void> {
    const known = (await this.db.contacts.get(address)) ?? newContact(address)
    await this.db.contacts.put({
      ...known,
      nick: known.nick || nick,
      about: known.about || about,
      picture: known.picture || ((await this.db.pictures.get(picture)) ? picture : '')
    })
  }

  /** A star that was removed here stays removed. */
  private async star(key: string): Promise<void> {
    const message = await this.work.message(key)
    if (message && message.starred === undefined && message.kind !== 'deleted') {
      this.work.setMessage({ ...message, starred: 1 })
    }
  }

  private async gone(keys: string[]): Promise<void> {
    const absent: string[] = []
    for (const key of keys) if (!(await this.work.message(key))) absent.push(key)
    await this.work.setGone(absent)
  }

  /** The key of the message in the local storage: of several with the same id, the one with the same archive entry. */
  private async keyOf(record: Named, id: string): Promise<string> {
    const [first = '', twin] = this.keys(record, id)
    const there = twin === undefined ? undefined : await this.work.message(first)
    return twin !== undefined && there?.archive !== undefined && there.archive !== record.archive
      ? twin
      : first
  }

  private keys(record: Named, id: string): string[] {
    const first = this.key(record, id)
    return record.archive && !record.mine ? [first, twinKey(first, record.archive)] : [first]
  }

  private key(record: Named, id: string): string {
    return messageKey(record.chat, this.authorOf(record), record.mine, id)
  }

  /** In a chat of two, the other person has written what is not mine. */
  private authorOf({ chat, mine, author }: Named): Address {
    if (mine) return this.me
    return (isGroup(chat, this.me) && author) || chat
  }
}

/** What only messages in groups have. */
function inGroup(record: MessageRecord): Partial<Message> {
  const { kind, mentions, forMe, poll, deletedBy, passedBy } = record
  return {
    ...(kind === 'text' && mentions?.length && { mentions }),
    ...(kind === 'text' && forMe && { forMe }),
    ...(kind === 'text' && poll && { poll }),
    ...(kind === 'deleted' && deletedBy && { deletedBy }),
    ...(passedBy && { passedBy })
  }
}

/** The file of a message, and its caption; or, of another app, what its text names. */
function mediaOf({
  media,
  plain,
  opened,
  text,
  encrypted
}: MessageRecord): Partial<Pick<Message, 'media' | 'text'>> {
  const found = mediaIn(media)?.media
  if (found) return { media: { ...found, ...(opened && { opened: true }) } }
  const named = fromAesgcm(text)
  if (named) return { media: named, text: '' }
  const url = plain && !encrypted ? mediaUrl(text) : undefined
  return url === undefined ? {} : { media: { ...describedByName(url), url, plain: true }, text: '' }
}

/** Stores a picture if it is what its hash and type say. */
async function pictureOf({ hash, data }: PictureRecord): Promise<Picture | undefined> {
  let bytes: Bytes
  try {
    bytes = fromBase64(data)
  } catch {
    return undefined
  }
  // Backups of earlier versions may contain pictures that were checked less
  const type = pictureType(bytes)
  if (!type) return undefined
  const digest = hex.encode(new Uint8Array(await crypto.subtle.digest('SHA-1', bytes)))
  return digest === hash ? { hash, data: new Blob([bytes], { type }) } : undefined
}

/**
 * Stores received messages, whether they come live, as a carbon copy, or from the archive, so that duplicates and late
 * arrivals end in the same state. Messages are decrypted first; then the messages, the ratchet steps that decrypted
 * them and the position in the archive are stored in one transaction.
 */
import type { Crypto } from '../crypto/crypto'
import { isGroup } from '../local/address'
import type { Database } from '../local/database'
import type { KeyBuffer } from '../local/key-buffer'
import { chosenName } from '../local/names'
import { keysNamed } from '../local/naming'
import { messageKey } from '../local/order'
import type { Address, Message, Moment } from '../local/types'
import { Work } from '../local/work'
import type { ReceivedMessage } from '../xmpp/received'
import { meet } from './contacts'
import { Decryption } from './decryption'
import { unknownKeys } from './group-references'
import type { Groups } from './groups'
import { Storing } from './storing'

export interface IncomingEvents {
  now(): Moment
  /** The time up to which messages have expired. */
  expiryTime(): Moment
  /** Called with new messages of others that were stored. */
  news(messages: Message[]): void
  /** Something is waiting to be sent, such as a receipt. */
  queued(): void
  /** Somebody's device asks for a message of the user again. */
  asked(from: Address, device: number, id: string, trusted: boolean, group?: Address): Promise<unknown>
  /** Somebody asks for a file of the user's message that is missing at the server. */
  reupload(from: Address, id: string, url: string): void
  /** Somebody unknown has written. */
  stranger(address: Address): void
  /** A message about a call was stored. */
  called(incoming: ReceivedMessage): void
}

export class Incoming {
  private changedTargets: Set<string> | undefined
  private readonly decryption: Decryption

  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly crypto: Crypto,
    private readonly keyBuffer: KeyBuffer,
    private readonly events: IncomingEvents,
    private readonly groups: Pick<Groups, 'told' | 'refresh' | 'asNow'>
  ) {
    this.decryption = new Decryption(db, crypto)
  }

  /** Stores messages in this order. `raw`: rows of the backlog that are then removed. */
  async take(received: ReceivedMessage[], raw: string[] = []): Promise<void> {
    const all = await Promise.all(received.map((one) => this.groups.asNow(one)))
    const absent = new Set<string>()
    const ready = await this.decryption.open(all, absent)
    const changed = await this.keysOfChanges()
    for (const one of all) if (one.group) for (const key of unknownKeys(one)) absent.add(key)
    for (const key of absent) if (changed.has(key)) absent.delete(key)
    const news: Message[] = []
    const strangers = new Set<Address>()
    const written = new Set<Address>()
    const reuploads: [Address, string, string][] = []
    const committed = await Work.run(this.db, async (work) => {
      const store = new Storing(
        this.db,
        this.me,
        work,
        this.events.now(),
        this.events.expiryTime(),
        this.groups,
        { reupload: (...asked) => reuploads.push(asked) }
      )
      work.markAbsent(absent)
      await work.fetch([...new Set(all.flatMap((incoming) => this.referencedKeys(incoming)))])
      for (const one of ready) {
        const added = await store.take(one)
        if (added && isNews(added)) news.push(added)
        if (added) this.met(added, strangers)
        if (added?.mine) written.add(added.chat)
      }
      await store.finish()
      for (const target of work.changedTargets) changed.add(target)
      for (const address of strangers) if (!(await meet(this.db, address))) strangers.delete(address)
      await this.updateNames(all)
      await this.advance(all)
      if (raw.length) await this.db.raw.bulkDelete(raw)
      return this.keyBuffer.write(
        ready.flatMap(({ opened }) => (opened?.type === 'text' ? [opened.opening] : []))
      )
    })
    committed()
    for (const { incoming, opened } of ready) {
      if (incoming.resend && opened?.type === 'keys') {
        const group = incoming.again || undefined
        await this.events.asked(incoming.from, opened.device, incoming.resend, opened.trusted, group)
      }
    }
    for (const { incoming, known } of ready) if (incoming.call && !known) this.events.called(incoming)
    for (const asked of reuploads) this.events.reupload(...asked)
    for (const address of written) this.crypto.retryRequests(address)
    for (const address of strangers) this.events.stranger(address)
    void this.groups.refresh()
    if (news.length) this.events.news(news)
    this.events.queued()
  }

  /** These messages have changes that did not come through `take`. */
  changed(targets: Iterable<string>): void {
    for (const target of targets) this.changedTargets?.add(target)
  }

  /** The keys of messages that have changes, perhaps stored before the messages. Other messages have none. */
  private async keysOfChanges(): Promise<Set<string>> {
    this.changedTargets ??= new Set((await this.db.changes.orderBy('target').uniqueKeys()) as string[])
    return this.changedTargets
  }

  /** The keys of the messages that a message may refer to. */
  private referencedKeys(incoming: ReceivedMessage): string[] {
    const { chat, from, mine, group } = incoming
    const own = [incoming.id, incoming.edits, incoming.retracts, incoming.resent].filter(Boolean)
    const all = [incoming.received, incoming.displayed, incoming.reaction?.of, incoming.reply?.id]
    const others = group ? [] : all.filter((id) => !!id)
    return [
      ...own.map((id) => messageKey(chat, from, mine, id)),
      ...others.flatMap((id) => keysNamed(this.me, chat, id ?? ''))
    ]
  }

  /** Updates the names in messages of people whose profile events do not arrive. The last one counts. */
  private async updateNames(all: ReceivedMessage[]): Promise<void> {
    const last = new Map(all.filter(({ mine, nick }) => !mine && nick).map(({ from, nick }) => [from, nick]))
    for (const [address, nick] of last) {
      const contact = await this.db.contacts.get(address)
      if (!contact || contact.subscription === 'to' || contact.subscription === 'both') continue
      const name = await chosenName(this.db, this.me, address, nick)
      if (name && name !== contact.nick) await this.db.contacts.update(address, { nick: name })
    }
  }

  /** Whose name is shown: the other person of a chat, or the author in a group. */
  private met({ chat, from, mine }: Message, all: Set<Address>): void {
    if (!isGroup(chat, this.me)) all.add(chat)
    else if (!mine && !from.startsWith(`${chat}/`)) all.add(from)
  }

  private async advance(all: ReceivedMessage[]): Promise<void> {
    const newest = all.reduce((last, { archive }) => (archive > last ? archive : last), '')
    if (newest && newest > ((await this.db.fact<string>('archive.heard')) ?? '')) {
      await this.db.setFact('archive.heard', newest)
    }
  }
}

/** Whether to notify: not for messages that may be readable later, or were deleted. */
function isNews({ mine, kind, method }: Message): boolean {
  return !mine && kind !== 'deleted' && (kind !== 'unreadable' || method !== undefined)
}

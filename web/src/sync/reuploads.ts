/** Uploads files again that are gone from the server, for those who have got the message (docs/media.md). */
import type { Database } from '../local/database'
import { fileUrl, movedTo } from '../local/media'
import type { Address, Message, Moment } from '../local/types'
import { Work } from '../local/work'
import { mayHave } from './sent-content'
import type { Uploads } from './uploads'
import { isGroup } from '../local/address'

/** How often a file is uploaded again in a day, however many ask for it. */
const TIMES = 3
const DAY_MS = 86_400_000
/** The name of a fact; the id of the message follows. */
const BOOK = 'reuploads '

interface Book {
  since: Moment
  times: number
  /** Addresses of the file before. */
  before: string[]
}

export class Reuploads {
  private readonly running = new Set<string>()

  /** `queued` is called when something waits to be sent. */
  constructor(
    private readonly db: Database,
    private readonly me: Address,
    private readonly uploads: Pick<Uploads, 'again'>,
    private readonly now: () => Moment,
    private readonly queued: () => void
  ) {}

  /** Somebody's device, or another one of the user, misses the file of a message. */
  async asked(from: Address, id: string, url: string): Promise<void> {
    const found = await this.db.messages.where('id').equals(id).toArray()
    const book = await this.book(id)
    for (const message of found) {
      const { media, chat, mine } = message
      if (!media || media.once || this.running.has(message.key)) continue
      const theirs = mine && (from === this.me || chat === from || isGroup(chat, this.me))
      if (!(theirs || from === this.me) || !(await mayHave(this.db, this.me, from, message))) continue
      const at = fileUrl(media)
      if (at !== undefined && at !== url && book.before.includes(url)) {
        // It was uploaded again already, for somebody else
        await this.tell(from, id, url, at)
      } else if (at === url && book.times < TIMES) await this.once(message, from, url, book)
    }
  }

  private async once(message: Message, from: Address, url: string, book: Book): Promise<void> {
    const { key, id, media } = message
    if (!media) return
    this.running.add(key)
    try {
      const at = await this.uploads.again(media)
      if (at === undefined) return
      const times = { ...book, times: book.times + 1, before: [...book.before, url] }
      await this.db.setFact(BOOK + id, times)
      await Work.run(this.db, async (work) => {
        const now = await work.message(key)
        if (now?.media) work.setMessage({ ...now, media: movedTo(now.media, at) })
      })
      await this.tell(from, id, url, at)
    } finally {
      this.running.delete(key)
    }
  }

  private async tell(to: Address, id: string, url: string, at: string): Promise<void> {
    const what = { type: 'note' as const, note: { reuploaded: { id, url, at } } }
    await this.db.outgoing.add({ to, id: crypto.randomUUID(), what, tries: 0 })
    this.queued()
  }

  private async book(id: string): Promise<Book> {
    const known = await this.db.fact<Book>(BOOK + id)
    if (known && this.now() - known.since < DAY_MS) return known
    return { since: this.now(), times: 0, before: known?.before ?? [] }
  }
}

/**
 * Resolves which of the user's devices changed a message last. Edits and reactions sent from here have no position
 * until the archive is asked for it.
 */
import { UNPLACED } from '../local/changes'
import type { Database } from '../local/database'
import type { Moment } from '../local/types'
import type { Wire } from '../xmpp/wire'
import type { Archive } from './archive'
import type { Entry } from './unhandled'

/** The maximum number of pages that are searched for one chat. */
const MAX_PAGES = 8

export class Contested {
  private again = false
  private running: Promise<void> | undefined

  /** `take` stores entries of the archive while nothing else is stored. */
  constructor(
    private readonly db: Database,
    private readonly wire: Wire,
    private readonly archive: Archive,
    private readonly take: (entries: Entry[]) => Promise<void>
  ) {}

  /** May be called at any time. What could not be asked is asked with the next connection. */
  async settle(): Promise<void> {
    this.again = true
    this.running ??= (async () => {
      try {
        while (this.again && this.wire.online) {
          this.again = false
          const rows = await this.db.facts.where('name').startsWith(UNPLACED).toArray()
          for (const { name, value } of rows) await this.settleChat(name, value as Moment)
        }
      } finally {
        this.running = undefined
      }
    })()
    await this.running
  }

  private async settleChat(fact: string, since: Moment): Promise<void> {
    const chat = fact.slice(UNPLACED.length)
    let before = ''
    const found: Entry[] = []
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const page = await this.archive.page({ chat, before, start: new Date(since) })
      found.unshift(...page.found)
      if (page.complete || !page.first) break
      before = page.first
    }
    await this.take(found)
    await this.db.transaction('rw', this.db.facts, async () => {
      if ((await this.db.fact<Moment>(fact)) === since) await this.db.facts.delete(fact)
      else this.again = true // there are new changes in the meantime
    })
  }
}

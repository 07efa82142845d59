/**
 * Messages that the app could not handle because handling them threw an error. They cost neither the connection nor the
 * messages after them: they are counted, kept as received, and retried with each session and start, so that a later
 * version may handle them.
 */
import type { Database } from '../local/database'
import type { Moment } from '../local/types'
import { UNHANDLED, type Counted } from './app'
import { parse, write, type Xml } from '../xmpp/xml'

/** A message from any source. */
export interface Entry {
  /** The id in the user's archive; empty: it is not there. */
  id: string
  at: Moment
  message: Xml
}

interface Kept {
  id: string
  at: Moment
  stanza: string
  /** The number of attempts. */
  tries: number
  reason: string
}

const ROW = 'aside '
/** Beyond this number, the oldest are deleted; they may still be in the archive. */
const MAX_ROWS = 200
const LONGEST = 100_000

export class Unhandled {
  constructor(
    private readonly db: Database,
    private readonly now: () => Moment
  ) {}

  /** Rejects if it can't be stored. */
  async put({ id, at, message }: Entry, error: unknown): Promise<void> {
    const row = { id, at, stanza: textOf(message), tries: 1, reason: reasonOf(error) }
    await this.keep(row, id || crypto.randomUUID())
  }

  /** Counts what can't be kept, or is of no use later. */
  async count(reason: string, text = ''): Promise<void> {
    await this.keep(
      { id: '', at: this.now(), stanza: text.slice(0, LONGEST), tries: Infinity, reason },
      'other'
    )
  }

  /** Tries all of them again. */
  async again(handle: (entry: Entry) => Promise<void>): Promise<void> {
    for (const { name, value } of await this.db.facts.where('name').startsWith(ROW).toArray()) {
      const kept = value as Kept
      if (kept.tries === Infinity || !kept.stanza) continue
      try {
        await handle({ id: kept.id, at: kept.at, message: parse(kept.stanza) })
        await this.db.facts.delete(name)
        await this.change(-1)
      } catch (error) {
        await this.db.setFact(name, { ...kept, tries: kept.tries + 1, reason: reasonOf(error) })
      }
    }
  }

  private async keep(row: Kept, name: string): Promise<void> {
    const known = await this.db.facts.get(ROW + name)
    await this.db.setFact(ROW + name, row)
    if (known && name !== 'other') return
    await this.change(1)
    const names = (await this.db.facts.where('name').startsWith(ROW).primaryKeys()).sort()
    await this.db.facts.bulkDelete(names.slice(0, Math.max(0, names.length - MAX_ROWS)))
  }

  private async change(by: number): Promise<void> {
    await this.db.transaction('rw', this.db.facts, async () => {
      const { count = 0, told = 0 } = (await this.db.fact<Counted>(UNHANDLED)) ?? {}
      const left = Math.max(0, count + by)
      await this.db.setFact(UNHANDLED, { count: left, told: Math.min(told, left) })
    })
  }
}

/** The user has been told about all of them. */
export async function acknowledge(db: Database): Promise<void> {
  await db.transaction('rw', db.facts, async () => {
    const counted = await db.fact<Counted>(UNHANDLED)
    if (counted) await db.setFact(UNHANDLED, { ...counted, told: counted.count })
  })
}

/** Empty if it is too long, or can't be serialized. */
function textOf(message: Xml): string {
  try {
    const text = write(message)
    return text.length > LONGEST ? '' : text
  } catch {
    return ''
  }
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 300)
}

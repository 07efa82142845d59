/**
 * A write-behind cache for the table `keys`: a ratchet step is stored in the same transaction as the message that it
 * decrypted. So either both are stored or neither, and a thousand messages do not take a thousand transactions.
 * Whatever leaves this device waits for `flush`, since keys must never be used twice. Only the leading tab has one.
 */
import type { Database } from './database'

interface Row {
  path: string
  value: unknown
}

/** The maximum delay before it is written, in milliseconds; usually it is written with messages before that. */
const LATEST_MS = 1000

export class KeyBuffer {
  /** What is not written yet; without a row: removed. */
  private readonly fresh = new Map<string, { row: Row | undefined }>()
  private stopped = false
  private timer: ReturnType<typeof setTimeout> | undefined
  /** The database as `crypto/` sees it. */
  readonly database: Database

  constructor(private readonly db: Database) {
    this.database = Object.create(db, {
      keys: { value: this.table() },
      transaction: {
        value: (_mode: string, _table: unknown, work: () => Promise<unknown>) => this.undoing(work)
      }
    }) as Database
  }

  /**
   * Writes what is cached, in the open transaction or in its own. Returns a function to call after the commit. `over`:
   * paths that this makes obsolete, most of which were never written.
   */
  async write(over: string[] = []): Promise<() => void> {
    const written = [...this.fresh]
    const without = new Set(over)
    const rows = written.flatMap(([path, { row }]) => (row && !without.has(path) ? [row] : []))
    const gone = over.filter((path) => !this.fresh.has(path))
    gone.push(...written.filter(([, { row }]) => !row).map(([path]) => path))
    if (rows.length) await this.db.keys.bulkPut(rows)
    if (gone.length) await this.db.keys.bulkDelete(gone)
    return () => {
      for (const [path, entry] of written) if (this.fresh.get(path) === entry) this.fresh.delete(path)
    }
  }

  /** Resolves when everything done so far is on disk. */
  async flush(): Promise<void> {
    if (!this.fresh.size) return
    const committed = await this.db.transaction('rw', this.db.keys, async () => {
      // What is cached at this moment: others may have written in the meantime
      await this.db.keys.get('')
      return this.write()
    })
    committed()
  }

  /** Stops writing, since the keys are about to be deleted. */
  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    this.fresh.clear()
  }

  private set(path: string, row: Row | undefined): void {
    if (this.stopped) return
    this.fresh.set(path, { row: row && structuredClone(row) })
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.flush().catch(() => undefined)
    }, LATEST_MS)
  }

  private table() {
    const { db, fresh } = this
    return {
      get: async (path: string): Promise<Row | undefined> => {
        const entry = fresh.get(path)
        return entry ? structuredClone(entry.row) : db.keys.get(path)
      },
      bulkGet: async (paths: string[]): Promise<(Row | undefined)[]> => {
        const before = new Map(
          paths.flatMap((path) => (fresh.has(path) ? [[path, fresh.get(path)?.row]] : []))
        )
        const others = paths.filter((path) => !before.has(path))
        const rows = new Map((await db.keys.bulkGet(others)).map((row) => [row?.path ?? '', row as Row]))
        return paths.map((path) => {
          // what was written in the meantime
          const entry = fresh.get(path)
          if (entry) return structuredClone(entry.row)
          return before.has(path) ? structuredClone(before.get(path)) : rows.get(path)
        })
      },
      put: async (row: Row): Promise<void> => this.set(row.path, row),
      bulkPut: async (rows: Row[]): Promise<void> => rows.forEach((row) => this.set(row.path, row)),
      bulkDelete: async (paths: string[]): Promise<void> =>
        paths.forEach((path) => this.set(path, undefined)),
      where: () => ({
        startsWith: (start: string) => ({
          toArray: async (): Promise<Row[]> => {
            const before = new Map(fresh)
            const rows = await db.keys.where('path').startsWith(start).toArray()
            const found = new Map(rows.map((row) => [row.path, row as Row]))
            for (const [path, { row }] of before) {
              if (!path.startsWith(start)) continue
              if (row) found.set(path, structuredClone(row))
              else found.delete(path)
            }
            return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
          }
        })
      })
    }
  }

  /** All or nothing: if the work fails, its changes are undone. */
  private async undoing<T>(work: () => Promise<T>): Promise<T> {
    const before = new Map(this.fresh)
    try {
      return await work()
    } catch (error) {
      for (const [path, entry] of [...this.fresh]) {
        const old = before.get(path)
        if (old === entry) continue
        if (old) this.fresh.set(path, old)
        else this.fresh.delete(path)
      }
      throw error
    }
  }
}

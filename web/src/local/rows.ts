/** Reads many rows at once, since each access to the storage costs more than a hundred keys that do not exist. */
import type { Table } from 'dexie'

/** Fewer keys than this are read without looking which of them exist. */
const FEW = 8
/** How many existing keys are read to look for one. If there are more in between, all rows are read instead. */
const SCANNED_PER_KEY = 100

/** Gets the rows with these keys, most of which probably do not exist. Keys begin with an address and a space. */
export async function rowsOf<T>(table: Table<T, string>, keys: string[]): Promise<(T | undefined)[]> {
  const groups = new Map<string, string[]>()
  for (const key of new Set(keys)) {
    const start = key.slice(0, key.indexOf(' '))
    const group = groups.get(start)
    if (group) group.push(key)
    else groups.set(start, [key])
  }
  const likely = await Promise.all([...groups.values()].map((group) => present(table, group)))
  const there = likely.flat()
  const rows = there.length ? await table.bulkGet(there) : []
  const found = new Map(there.map((key, at) => [key, rows[at]]))
  return keys.map((key) => found.get(key))
}

/** The keys that may exist. */
async function present<T>(table: Table<T, string>, keys: string[]): Promise<string[]> {
  if (keys.length < FEW) return keys
  const [first, last] = [keys.reduce(least), keys.reduce(most)]
  const limit = keys.length * SCANNED_PER_KEY
  const between = await table.where(':id').between(first, last, true, true).limit(limit).primaryKeys()
  if (between.length === limit) return keys
  const there = new Set(between)
  return keys.filter((key) => there.has(key))
}

function least(one: string, other: string): string {
  return one < other ? one : other
}

function most(one: string, other: string): string {
  return one > other ? one : other
}

import 'fake-indexeddb/auto'
import { expect, test } from 'vitest'
import { Database } from '../../src/local/database'
import type { Message } from '../../src/local/types'
import { firstSince, inputDay, startOf } from '../../src/chat/search-date'

const BEN = 'ben@example.org'
const DAY = 86_400_000

test('the messages of a day are found, also those that only the server has', async () => {
  const db = new Database('dates')
  const start = startOf('2026-03-10') ?? 0
  const message = (day: number): Message => ({
    ...{ key: `${BEN} ${String(day)}`, chat: BEN, from: BEN, mine: false, id: String(day), kind: 'text' },
    ...{ at: start + day * DAY + 5, order: String(day), text: 'x', progress: 'read' },
    ...{ reactions: {}, encrypted: true }
  })
  await db.messages.bulkPut([5, 7].map(message))
  let asked = 0
  const app = {
    db,
    // one day more each time, down to the first
    older: async (): Promise<boolean> => {
      asked += 1
      if (asked > 5) return false
      await db.messages.put(message(5 - asked))
      return true
    }
  }
  const on = (day: number) => firstSince(app, BEN, start + day * DAY)
  expect(await on(6)).toBe(`${BEN} 7`)
  expect(asked).toBe(0)
  expect(await on(2)).toBe(`${BEN} 2`)
  expect(asked).toBe(4)
  expect(await on(99)).toBe(`${BEN} 7`)
  expect(await on(-30)).toBe(`${BEN} 0`)
  expect(await firstSince(app, 'cleo@example.org', start)).toBeUndefined()
  expect(inputDay(start)).toBe('2026-03-10')
  expect(startOf('')).toBeUndefined()
  await db.delete()
})

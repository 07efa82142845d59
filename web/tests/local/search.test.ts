import 'fake-indexeddb/auto'
import { afterEach, expect, test } from 'vitest'
import { Database } from '../../src/local/database'
import { addMessage } from '../../src/local/messages'
import { messageKey } from '../../src/local/order'
import { search } from '../../src/local/search'
import { Work } from '../../src/local/work'

const BEN = 'ben@example.org'
let db: Database
let count = 0

async function filled(messages: number): Promise<void> {
  db = new Database(`search ${String(++count)}`)
  await Work.run(db, async (work) => {
    for (let n = 0; n < messages; n++) {
      await work.keepAlive()
      const order = `${(1.7e12 + n).toString(16).padStart(11, '0')}00001`
      const text = n % 100 ? `nothing ${String(n)}` : `Wiederholung ${String(n)}`
      await addMessage(work, 'ada@example.org', {
        ...{ key: messageKey(BEN, BEN, false, String(n)), chat: BEN, at: 1.7e12 + n, order, from: BEN },
        ...{
          mine: false,
          id: String(n),
          kind: 'text',
          text,
          progress: 'read',
          reactions: {},
          encrypted: true
        }
      })
    }
  })
}

afterEach(async () => {
  await db.delete()
})

/** Counts the pages of texts that are read. */
function pagesRead(): () => number {
  let pages = 0
  db.messages.hook('reading', (message: unknown) => {
    pages += 1
    return message
  })
  return () => pages
}

test('a search that nobody waits for any more reads no further', async () => {
  await filled(2000)
  const read = pagesRead()
  const ended = new AbortController()
  const found = search(db, 'holung', undefined, 50, { signal: ended.signal, early: () => ended.abort() })
  await expect(found).rejects.toThrow(/abort/i)
  expect(read()).toBeLessThan(1000)
  expect(await search(db, 'holung')).toHaveLength(20)
})

test('what the index knows is shown before all texts are read', async () => {
  await filled(300)
  const early: string[][] = []
  const found = await search(db, 'wieder', BEN, 50, { early: (keys) => early.push(keys) })
  expect(early).toEqual([found])
  expect(found).toHaveLength(3)
})

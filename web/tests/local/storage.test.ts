import 'fake-indexeddb/auto'
import Dexie from 'dexie'
import { expect, test } from 'vitest'
import { Database } from '../../src/local/database'
import { KeyBuffer } from '../../src/local/key-buffer'
import { rowsOf } from '../../src/local/rows'

let count = 0
const name = () => `storage ${++count}`

test('a device of the first version keeps what waits', async () => {
  const here = name()
  const old = new Dexie(here)
  old.version(1).stores({
    facts: 'name',
    chats: 'address, at',
    contacts: 'address',
    pictures: 'hash',
    messages: 'key, [chat+at+order], id, starred, expires',
    changes: 'key, target, id',
    seen: 'key',
    words: 'key, chat, *words',
    raw: 'id, chat, mine',
    outgoing: '++seq, id, to, [to+seq]',
    keys: 'path'
  })
  const chat = 'ben@example.org'
  const stanza = "<message xmlns='jabber:client' from='ben@example.org'/>"
  await old.table('raw').bulkPut(
    ['01', '02'].map((id) => {
      return { id, chat, mine: 0, at: 5, stanza }
    })
  )
  await old.table('outgoing').bulkAdd([
    { to: chat, id: 'one', what: { type: 'marker', of: 'm1', kind: 'received' }, tries: 0 },
    { to: chat, id: 'two', what: { type: 'message', text: 'hello' }, tries: 0 }
  ])
  await old.table('chats').bulkPut([
    { address: chat, at: 1, disappears: 60, order: '0002', readTo: '0001' },
    { address: 'cem@example.org', at: 1, disappears: 0, order: '~0002', readTo: '0001' }
  ])
  await old.table('messages').bulkPut([
    { key: 'one', chat, at: 1, order: '0001', kind: 'unreadable', text: '' },
    { key: 'two', chat, at: 1, order: '0002', kind: 'text', text: 'hello' },
    { key: 'heard', chat, at: 1, order: '0199f0c5a2b00003', mine: false, kind: 'text', text: '3' },
    { key: 'made here', chat, at: 1, order: '0199f0c5a2bf0003', mine: false, kind: 'text', text: '4' },
    { key: 'mine', chat, at: 1, order: '0199f0c5a2b00005', mine: true, kind: 'text', text: '5' }
  ])
  old.close()

  const db = new Database(here)
  expect(await db.raw.orderBy('[mine+count]').toArray()).toEqual([
    { id: '01 01', chat, mine: 0, count: 1, entries: [{ id: '01', at: 5, stanza }] },
    { id: '02 02', chat, mine: 0, count: 1, entries: [{ id: '02', at: 5, stanza }] }
  ])
  expect((await db.outgoing.toArray()).map(({ what }) => what)).toEqual([
    { type: 'marker', of: ['m1'], kind: 'received' },
    { type: 'message', text: 'hello' }
  ])
  expect(await db.chats.get(chat)).toMatchObject({ disappears: 60, timerOrder: '0002' })
  expect(await db.chats.get('cem@example.org')).toMatchObject({ timerOrder: '0001' })
  expect((await db.messages.bulkGet(['one', 'two'])).map((one) => one?.asked)).toEqual([true, undefined])
  const entries = (await db.messages.bulkGet(['heard', 'made here', 'mine'])).map((one) => one?.archive)
  expect(entries).toEqual(['0199f0c5a2b00003', undefined, undefined])
  await db.delete()
})

test('many rows are found, whether few or most of them are there', async () => {
  const db = new Database(name())
  const keys = (chat: string, many: number) => Array.from({ length: many }, (_, at) => `${chat} m${at}`)
  // A conversation so long that its keys are not looked through
  const long = keys('long@example.org', 1500)
  await db.seen.bulkPut([...long, 'short@example.org m3', 'short@example.org m17'].map((key) => ({ key })))
  for (const asked of [
    keys('short@example.org', 20),
    keys('short@example.org', 5),
    [...long.slice(3, 12), 'long@example.org not there', ...keys('nobody@example.org', 30)],
    []
  ]) {
    expect(await rowsOf(db.seen, asked)).toEqual(await db.seen.bulkGet(asked))
  }
  await db.delete()
})

test('what is of no more use when it would be written never is, and goes if it was', async () => {
  const db = new Database(name())
  const keyBuffer = new KeyBuffer(db)
  const { keys } = keyBuffer.database
  await keys.bulkPut([
    { path: 'session/ben', value: 1 },
    { path: 'opened/first', value: 1 }
  ])
  const paths = async () => (await db.keys.toCollection().primaryKeys()) as string[]
  const first = await keyBuffer.write(['opened/first'])
  expect(await paths()).toEqual(['session/ben'])
  first()
  expect(await keys.get('opened/first')).toBeUndefined()

  await keys.put({ path: 'opened/second', value: 2 })
  await keyBuffer.flush()
  expect(await paths()).toEqual(['opened/second', 'session/ben'])
  await keyBuffer.write(['opened/second'])
  expect(await paths()).toEqual(['session/ben'])
  await db.delete()
})

test('what had to wait is written as it is when it is its turn', async () => {
  const db = new Database(name())
  const keyBuffer = new KeyBuffer(db)
  const { keys } = keyBuffer.database
  let go = (): void => undefined
  const held = new Promise<void>((resolve) => (go = resolve))
  const first = db.transaction('rw', db.keys, async () => {
    await Dexie.waitFor(held)
    return keyBuffer.write()
  })
  await keys.put({ path: 'session/ben', value: 1 })
  const second = keyBuffer.flush()
  await new Promise((resolve) => setTimeout(resolve, 20))
  await keys.put({ path: 'session/ben', value: 2 })
  go()
  const committed = await first
  committed()
  await second
  expect((await db.keys.get('session/ben'))?.value).toBe(2)
  await db.delete()
})

test('what was not committed is still there', async () => {
  const db = new Database(name())
  const keyBuffer = new KeyBuffer(db)
  const { keys } = keyBuffer.database
  await keys.put({ path: 'opened/first', value: 1 })
  const failing = db.transaction('rw', db.keys, async () => {
    await keyBuffer.write(['opened/first'])
    throw new Error('no room')
  })
  await expect(failing).rejects.toThrow('no room')
  expect((await keys.get('opened/first'))?.value).toBe(1)
  await db.delete()
})

import 'fake-indexeddb/auto'
import { expect, test } from 'vitest'
import { Database } from '../../src/local/database'
import { LONGEST_STATUS, ownOf, readersOf, ringsOf, type Status, statusIn } from '../../src/local/statuses'
import { shownStatuses } from '../../src/local/shown-statuses'
import { sweepStatuses } from '../../src/local/status-expiry'
import type { Contact } from '../../src/local/types'
import { parse } from '../../src/xmpp/xml'
import { statusEntry } from '../../src/xmpp/statuses'

const ME = 'me@example.org'

function status(author: string, at: number, more: Partial<Status> = {}): Status {
  return {
    ...{ key: `${author} ${String(at)}`, author, id: String(at), at, until: at + LONGEST_STATUS },
    ...{ kind: 'text', text: 'Hi', color: '', forward: false, seen: false, progress: 'sent', viewers: {} },
    ...more
  }
}

function contact(address: string, more: Partial<Contact> = {}): Contact {
  return {
    ...{ address, name: '', nick: '', about: '', picture: '', subscription: 'both' },
    ...{ asked: false, asks: false, inRoster: true, blocked: false, ...more }
  }
}

test('unseen people come first, then seen ones, each with the newest first, and muted ones last', () => {
  const all = [
    status('seen@x', 50, { seen: true }),
    status('old@x', 10),
    status('new@x', 20),
    status('new@x', 5, { seen: true }),
    status('muted@x', 90),
    status('over@x', 1, { until: 99 }),
    status(ME, 80)
  ]
  const rings = ringsOf(all, ['muted@x'], ME, 99)
  expect(rings.map(({ author }) => author)).toEqual(['new@x', 'old@x', 'seen@x', 'muted@x'])
  expect(rings[0]?.statuses.map(({ at }) => at)).toEqual([5, 20])
  expect(rings[0]?.unseen).toBe(1)
})

test('an own status that was not sent yet does not expire', () => {
  const all = [status(ME, 1, { until: 2, progress: 'failed' }), status(ME, 3, { until: 4 })]
  expect(ownOf(all, ME, 10).map(({ at }) => at)).toEqual([1])
})

test('nobody who is blocked or no mutual contact is in an audience, also if they are named', () => {
  const all = [
    contact('ada@x'),
    contact('ben@x'),
    contact('blocked@x', { blocked: true }),
    contact('removed@x', { subscription: 'from' }),
    contact(ME)
  ]
  const named = ['ada@x', 'blocked@x', 'removed@x', 'unknown@x', ME]
  expect(readersOf({ mode: 'contacts', people: [] }, all, ME)).toEqual(['ada@x', 'ben@x'])
  expect(readersOf({ mode: 'only', people: named }, all, ME)).toEqual(['ada@x'])
  expect(readersOf({ mode: 'except', people: named }, all, ME)).toEqual(['ben@x'])
})

test('a status is gone from the device when its day is over, and not before', async () => {
  const db = new Database('statuses')
  await db.statuses.bulkAdd([status('a@x', 0), status('b@x', 10), status(ME, 0, { progress: 'waiting' })])
  expect(await sweepStatuses(db, -Infinity)).toBe(LONGEST_STATUS)
  expect(await db.statuses.count()).toBe(3)
  expect(await sweepStatuses(db, LONGEST_STATUS)).toBe(LONGEST_STATUS + 10)
  expect((await db.statuses.toArray()).map(({ author }) => author).sort()).toEqual(['b@x', ME])
  db.close()
})

test('what is no status of a known form is ignored, and the rest is bounded', () => {
  const sealed = (one: unknown) => JSON.stringify({ status: one })
  const bad = [
    undefined,
    '',
    '[',
    'null',
    '[]',
    '{}',
    sealed(null),
    sealed([]),
    sealed({ v: 2, kind: 'text' })
  ]
  bad.push(sealed({ v: 1, kind: 'constructor' }), sealed({ v: 1 }), sealed({ v: '1', kind: 'text' }))
  for (const one of bad) expect(statusIn(one, 'Hi')).toBeUndefined()
  expect(statusIn(sealed({ v: 1, kind: 'text' }), ' ')).toBeUndefined()
  const hostile = { v: 1, kind: 'text', color: 'red;background:url(x)', seconds: 1e12, forward: 'yes' }
  expect(statusIn(sealed(hostile), '😀'.repeat(800))).toEqual({
    ...{ kind: 'text', text: '😀'.repeat(700), color: '', forward: false, lasts: LONGEST_STATUS }
  })
  expect(statusIn(sealed({ v: 1, kind: 'text', seconds: -5 }), 'x')?.lasts).toBe(LONGEST_STATUS)
  expect(statusIn(sealed({ v: 1, kind: 'text', seconds: 60, color: '#ABCDEF' }), 'x')).toMatchObject({
    ...{ lasts: 60_000, color: '#abcdef' }
  })
})

test('an entry of the status log comes from a bare address, with an id and a time', () => {
  const entry = (from: string, inner: string) =>
    statusEntry(parse(`<message xmlns='jabber:client' from='${from}'>${inner}</message>`))
  const ns = "xmlns='urn:kith:status:0'"
  expect(entry('a@x/phone', `<retract ${ns} id='1'/>`)).toBeUndefined()
  expect(entry('a@x', `<retract ${ns} id=''/>`)).toBeUndefined()
  expect(entry('a@x', `<retract ${ns} id='${'1'.repeat(101)}'/>`)).toBeUndefined()
  expect(entry('a@x', `<status ${ns} id='1' until='soon'/>`)).toBeUndefined()
  expect(entry('a@x', `<retract ${ns} id='1'/>`)).toEqual({ type: 'retract', author: 'a@x', id: '1' })
})

test('whoever is blocked or removed is not seen any more, also with what has come before', async () => {
  const db = new Database(crypto.randomUUID())
  await db.contacts.bulkAdd([
    contact('ada@x'),
    contact('blocked@x', { blocked: true }),
    contact('removed@x', { subscription: 'from' })
  ])
  const people = ['ada@x', 'blocked@x', 'removed@x', 'unknown@x', ME]
  await db.statuses.bulkAdd(people.map((one) => status(one, 1)))
  const { statuses } = await shownStatuses(db, ME)
  expect(statuses.map(({ author }) => author)).toEqual(['ada@x', ME])
  db.close()
})

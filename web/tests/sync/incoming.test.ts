import 'fake-indexeddb/auto'
import { expect, test } from 'vitest'
import { newChat } from '../../src/local/chat'
import { newContact } from '../../src/local/contact'
import { Database } from '../../src/local/database'
import { KeyBuffer } from '../../src/local/key-buffer'
import { messageKey, orderWaiting } from '../../src/local/order'
import { Incoming } from '../../src/sync/incoming'
import { read } from '../../src/xmpp/received'
import { parse } from '../../src/xmpp/xml'
import { NO_GROUPS, Sealed } from './sealed'

const ADA = 'ada@example.org'
const BEN = 'ben@example.org'
const ARCHIVED = '18bcfe56800a0001'

test('of a timer whose acknowledgement was lost, the archive tells when it was set', async () => {
  const db = new Database('incoming')
  const keyBuffer = new KeyBuffer(db)
  const incoming = new Incoming(
    db,
    ADA,
    new Sealed(keyBuffer.database, ADA, {} as never),
    keyBuffer,
    {
      now: Date.now,
      expiryTime: Date.now,
      news: () => undefined,
      queued: () => undefined,
      asked: async () => undefined,
      reupload: () => undefined,
      stranger: () => undefined,
      called: () => undefined
    },
    NO_GROUPS
  )
  await db.contacts.put({ ...newContact(BEN), inRoster: true })
  const seq = await db.outgoing.add({
    to: BEN,
    id: 'timer',
    what: { type: 'timer', seconds: 3600 },
    tries: 0
  })
  await db.chats.put({ ...newChat(BEN), disappears: 3600, timerOrder: orderWaiting(seq ?? 0) })
  await db.seen.put({ key: messageKey(BEN, ADA, true, 'timer') })
  const came = (id: string, from: string, to: string, seconds: number, archive: string) =>
    read(
      parse(
        `<message xmlns='jabber:client' from='${from}' to='${to}' id='${id}'>` +
          `<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='${seconds}'/></message>`
      ),
      ADA,
      archive,
      1.7e12
    )
  const chat = async () => db.chats.get(BEN)
  const take = async (...given: Parameters<typeof came>) => {
    const one = came(...given)
    if (one) await incoming.take([one])
  }
  // As long as mine waits, it will be the last
  await take('theirs', BEN, ADA, 60, '18bcfe5680090001')
  expect(await chat()).toMatchObject({ disappears: 3600, timerOrder: orderWaiting(seq ?? 0) })
  await take('timer', ADA, BEN, 3600, ARCHIVED)
  expect(await chat()).toMatchObject({ disappears: 3600, timerOrder: ARCHIVED })
  expect(await db.outgoing.count()).toBe(0)
  await take('later', BEN, ADA, 5, '18bcfe56800c0001')
  expect(await chat()).toMatchObject({ disappears: 5 })
  // Theirs was last after all
  const next = await db.outgoing.add({ to: BEN, id: 'next', what: { type: 'timer', seconds: 7 }, tries: 0 })
  await db.chats.update(BEN, { disappears: 7, timerOrder: orderWaiting(next ?? 0) })
  await db.seen.put({ key: messageKey(BEN, ADA, true, 'next') })
  await take('last', BEN, ADA, 9, '18bcfe56800e0001')
  expect(await chat()).toMatchObject({ disappears: 7 })
  await take('next', ADA, BEN, 7, '18bcfe56800d0001')
  expect(await chat()).toMatchObject({ disappears: 9, timerOrder: '18bcfe56800e0001' })
  await db.delete()
})

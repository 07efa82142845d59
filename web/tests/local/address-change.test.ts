import 'fake-indexeddb/auto'
import { expect, test } from 'vitest'
import { newChat } from '../../src/local/chat'
import { Database } from '../../src/local/database'
import { FORMER, changeAddress } from '../../src/local/address-change'
import type { Message } from '../../src/local/types'

const OLD = '+4915100000001@example.org'
const NEW = '+4915100000002@example.org'
const BEN = 'ben@example.org'

test('what was kept under an older number is kept under the new one, and no text is changed', async () => {
  const db = new Database('moved')
  const message = (chat: string, from: string, id: string, more: Partial<Message> = {}): Message => ({
    ...{ key: from === OLD ? `${chat} ${id}` : `${chat} ${from}/${id}`, chat, from, mine: from === OLD, id },
    ...{ at: 1, order: id, kind: 'text', text: `write to ${OLD}`, progress: 'sent', reactions: {} },
    ...{ encrypted: true, ...more }
  })
  await db.setFact('credential', { address: OLD, agent: 'a', token: 't', mechanism: 'm', device: 'd' })
  await db.setFact(`older ${OLD}`, 'all')
  await db.setFact(`older ${BEN}`, '1')
  await db.messages.bulkPut([
    message(BEN, OLD, '1'),
    message(BEN, BEN, '2', { reactions: { [OLD]: ['👍'] }, reply: { id: '1', from: OLD, text: 'x' } }),
    message(OLD, OLD, '3', { starred: 1 })
  ])
  await db.chats.bulkPut([
    { ...newChat(BEN), last: `${BEN} ${BEN}/2` },
    { ...newChat(OLD), last: `${OLD} 3`, pinned: 5 }
  ])
  await db.changes.bulkPut([
    ...[
      { key: `reaction ${BEN} ${BEN}/2 ${OLD}`, target: `${BEN} ${BEN}/2`, kind: 'reaction' as const },
      { key: `edit ${OLD} 3 ${OLD}`, target: `${OLD} 3`, kind: 'edit' as const }
    ].map((one) => ({ ...one, from: OLD, order: '1', encrypted: true })),
    {
      key: `alias ${OLD} 5`,
      target: `${OLD} 3`,
      kind: 'alias',
      id: '5',
      from: '',
      order: '',
      encrypted: true
    }
  ])
  await db.seen.put({ key: `${OLD} 4` })
  await db.words.put({ key: `${OLD} 3`, chat: OLD, words: ['write'] })
  await db.keys.bulkPut(
    [`session/${OLD}/7`, `account/${OLD}`, `account/${OLD}0`, `device/${BEN}/1`, 'own'].map((path) => ({
      path,
      value: path
    }))
  )
  await db.outgoing.add({ to: OLD, id: '3', tries: 0, what: { type: 'message', text: `write to ${OLD}` } })
  await db.contacts.put({
    ...{ address: OLD, name: '', nick: 'Ada', about: '', picture: '', subscription: 'none' as const },
    ...{ asked: false, asks: false, inRoster: false, blocked: false }
  })

  await changeAddress(db, NEW)
  await changeAddress(db, NEW) // again, as after a crash

  expect(await db.fact('credential')).toMatchObject({ address: NEW, token: 't' })
  expect(await db.fact(FORMER)).toEqual([OLD])
  expect(await db.fact(`older ${NEW}`)).toBe('all')
  expect(await db.fact(`older ${BEN}`)).toBe('1')
  expect((await db.messages.toArray()).map(({ key, from, chat, text }) => [key, from, chat, text])).toEqual([
    [`${NEW} 3`, NEW, NEW, `write to ${OLD}`],
    [`${BEN} 1`, NEW, BEN, `write to ${OLD}`],
    [`${BEN} ${BEN}/2`, BEN, BEN, `write to ${OLD}`]
  ])
  expect(await db.messages.get(`${BEN} ${BEN}/2`)).toMatchObject({
    reactions: { [NEW]: ['👍'] },
    reply: { from: NEW }
  })
  expect(await db.chats.get(NEW)).toMatchObject({ last: `${NEW} 3`, pinned: 5 })
  expect((await db.changes.toArray()).map(({ key }) => key).sort()).toEqual([
    `alias ${NEW} 5`,
    `edit ${NEW} 3 ${NEW}`,
    `reaction ${BEN} ${BEN}/2 ${NEW}`
  ])
  expect(await db.seen.toArray()).toEqual([{ key: `${NEW} 4` }])
  expect(await db.words.toArray()).toEqual([{ key: `${NEW} 3`, chat: NEW, words: ['write'] }])
  expect((await db.keys.toArray()).map(({ path, value }) => [path, value]).sort()).toEqual(
    [
      [`session/${NEW}/7`, `session/${OLD}/7`],
      [`account/${NEW}`, `account/${OLD}`],
      [`account/${OLD}0`, `account/${OLD}0`],
      [`device/${BEN}/1`, `device/${BEN}/1`],
      ['own', 'own']
    ].sort()
  )
  expect((await db.outgoing.toArray())[0]).toMatchObject({ to: NEW, what: { text: `write to ${OLD}` } })
  expect(await db.contacts.get(NEW)).toMatchObject({ nick: 'Ada' })
  for (const table of [db.messages, db.chats, db.changes, db.words, db.contacts])
    expect(await table.where(':id').startsWith(OLD).count()).toBe(0)
  await db.delete()
})

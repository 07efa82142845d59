import 'fake-indexeddb/auto'
import { expect, test, vi } from 'vitest'
import { Database } from '../../src/local/database'
import type { Address, Group, Member } from '../../src/local/types'
import { people } from '../../src/parts/people.svelte'
import { memberKey } from '../../src/xmpp/groups'

const [TEA, CHESS] = ['tea@groups.example', 'chess@groups.example']
const group = (address: Address, number: number): Group => ({ address, number }) as Group
const member = (of: Address, jid: Address, nick: string): Member =>
  ({ key: memberKey(of, jid), group: of, jid, nick }) as Member

test('what members call themselves is read of the groups that have changed, not of all', async () => {
  const db = new Database('people')
  const read: Address[] = []
  db.members.hook('reading', (row) => {
    read.push(row.jid)
    return row
  })
  await db.groups.bulkPut([group(TEA, 1), group(CHESS, 1)])
  await db.members.bulkPut([member(TEA, '+491@example', 'Ada'), member(CHESS, '+492@example', 'Ben')])
  const stop = people.follow(db, '+490@example')
  await vi.waitFor(() => {
    expect([people.name('+491@example'), people.name('+492@example')]).toEqual(['~Ada', '~Ben'])
  })

  read.length = 0
  await db.transaction('rw', db.groups, db.members, async () => {
    await db.members.put(member(CHESS, '+493@example', 'Cyd'))
    await db.groups.update(CHESS, { number: 2 })
  })
  await vi.waitFor(() => {
    expect(people.name('+493@example')).toBe('~Cyd')
  })
  expect(read.sort()).toEqual(['+492@example', '+493@example'])
  stop()
})

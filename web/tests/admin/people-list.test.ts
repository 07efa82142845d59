/** Thousands of people, in pages: searched, filtered, sorted. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { PeopleQuery, Person } from '../../src/admin/api'
import { PAGE, type Page, PeopleList } from '../../src/admin/people-list.svelte'
import type { Answer } from '../../src/start/api'

afterEach(() => vi.useRealTimers())

const person = (at: number): Person => ({
  ...{ address: `user${String(at)}@example.org`, number: '', name: '', state: 'active', online: false },
  ...{ last_seen: '', devices: 0, operator: false }
})

/** A server with so many people, whose answers can be held back. */
function server(count: number) {
  const asked: PeopleQuery[] = []
  const held: (() => void)[] = []
  let holding = false
  const ask = (query: PeopleQuery): Promise<Answer<Page>> => {
    asked.push(query)
    const all = Array.from({ length: count }, (_, at) => person(at)).filter(({ address }) =>
      address.includes(query.query)
    )
    const start = Number(query.after || 0)
    const next = start + query.limit < all.length ? String(start + query.limit) : ''
    const value = { people: all.slice(start, start + query.limit), total: all.length, next }
    return new Promise((resolve) => {
      const answer = (): void => {
        resolve({ ok: true, value })
      }
      if (holding) held.push(answer)
      else answer()
    })
  }
  return { ask, asked, held, hold: () => (holding = true) }
}

const first = (list: PeopleList): string => list.page.value?.people[0]?.address ?? ''

describe('a list of people', () => {
  test('goes forward and back through its pages, and no further', async () => {
    const { ask } = server(120)
    const list = new PeopleList(ask)
    await list.load()
    expect([list.before, list.hasPrevious, list.hasNext, first(list)]).toEqual([
      0,
      false,
      true,
      'user0@example.org'
    ])
    await list.next()
    await list.next()
    expect([list.before, list.hasNext, list.page.value?.people.length]).toEqual([100, false, 20])
    await list.next()
    expect(list.before).toBe(2 * PAGE)
    await list.previous()
    expect([list.before, first(list)]).toEqual([PAGE, 'user50@example.org'])
  })

  test('begins again when it is filtered, sorted or searched', async () => {
    const { ask, asked } = server(120)
    const list = new PeopleList(ask)
    await list.load()
    await list.next()
    await list.order('last_seen')
    expect(asked.at(-1)).toMatchObject({ sort: 'last_seen', after: '' })
    await list.next()
    await list.filter('banned')
    expect(asked.at(-1)).toMatchObject({ sort: 'last_seen', state: 'banned', after: '' })
    expect(list.before).toBe(0)
  })

  test('asks once for a text that is typed quickly', async () => {
    vi.useFakeTimers()
    const { ask, asked } = server(120)
    const list = new PeopleList(ask)
    for (const text of ['u', 'us', 'user11 ']) list.search(text)
    await vi.advanceTimersByTimeAsync(1000)
    expect(asked.map(({ query }) => query)).toEqual(['user11'])
    expect(list.page.value?.total).toBe(11)
  })

  test('shows the answer to the last question, whichever comes last', async () => {
    const { ask, held, hold } = server(120)
    hold()
    const list = new PeopleList(ask)
    const before = list.load()
    list.query = 'user7'
    const after = list.load([''])
    held[1]?.()
    await after
    held[0]?.()
    await before
    expect(first(list)).toBe('user7@example.org')
  })

  test('stays on its page when the next one can’t be had', async () => {
    const { ask } = server(120)
    let fails = false
    const list = new PeopleList((query) =>
      fails ? Promise.resolve({ ok: false, problem: { error: 'offline', text: '' } }) : ask(query)
    )
    await list.load()
    fails = true
    await list.next()
    expect([list.before, first(list), list.page.problem !== '']).toEqual([0, 'user0@example.org', true])
    fails = false
    await list.next()
    expect([list.before, list.page.problem]).toEqual([PAGE, ''])
  })
})

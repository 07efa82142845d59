/** The login of operators: a token for one tab. */
import { afterEach, expect, test, vi } from 'vitest'
import { personPath } from '../../src/admin/api'
import { Desk, type TabStorage } from '../../src/admin/desk.svelte'

afterEach(() => vi.unstubAllGlobals())

const me = { name: 'anna', kind: 'token', write: true, expires: '', domain: 'example.org', version: '1' }

class Storage extends Map<string, string> implements TabStorage {
  getItem(key: string): string | null {
    return this.get(key) ?? null
  }
  setItem(key: string, value: string): void {
    this.set(key, value)
  }
  removeItem(key: string): void {
    this.delete(key)
  }
}

/** A server that knows these tokens; an empty list means that it can't be reached. */
function server(tokens: Set<string>): { asked: string[] } {
  const asked: string[] = []
  vi.stubGlobal('fetch', (url: string, { headers }: { headers: Record<string, string> }) => {
    asked.push(`${url} ${headers['Authorization'] ?? ''}`)
    if (!tokens.size) return Promise.reject(new TypeError('no network'))
    const known = tokens.has((headers['Authorization'] ?? '').replace('Bearer ', ''))
    const body = known ? me : { error: 'not-authorized', text: 'no' }
    return Promise.resolve(new Response(JSON.stringify(body), { status: known ? 200 : 401 }))
  })
  return { asked }
}

test('a token that is right stays in the tab, and is used from then on', async () => {
  const { asked } = server(new Set(['kadm_good']))
  const storage = new Storage()
  const desk = new Desk(storage)
  expect(await desk.resume()).toBeUndefined()
  expect(asked).toEqual([])
  expect((await desk.logIn('kadm_bad'))?.error).toBe('not-authorized')
  expect([desk.me, storage.size]).toEqual([undefined, 0])
  expect(await desk.logIn('kadm_good')).toBeUndefined()
  expect([desk.me?.name, desk.writes, [...storage.values()]]).toEqual(['anna', true, ['kadm_good']])
  await desk.get('/people', { query: 'a&b=c', state: '', limit: 50 })
  expect(asked.at(-1)).toBe('/api/admin/people?query=a%26b%3Dc&limit=50 Bearer kadm_good')
  // a reload of the tab
  const again = new Desk(storage)
  await again.resume()
  expect(again.me?.name).toBe('anna')
})

test('a token that was revoked ends the login, and is forgotten', async () => {
  const tokens = new Set(['kadm_good', 'other'])
  const { asked } = server(tokens)
  const storage = new Storage()
  const desk = new Desk(storage)
  await desk.logIn('kadm_good')
  tokens.delete('kadm_good')
  await desk.get('/health')
  expect([desk.me, desk.ended !== '', storage.size]).toEqual([undefined, true, 0])
  await desk.get('/health')
  expect(asked.at(-1)).toBe('/api/admin/health ')
})

test('without a connection the token stays', async () => {
  const storage = new Storage([['kith.admin.token', 'kadm_good']])
  server(new Set())
  const desk = new Desk(storage)
  expect((await desk.resume())?.error).toBe('offline')
  expect(storage.size).toBe(1)
})

test('a tab that can keep nothing is no reason not to let somebody in', async () => {
  server(new Set(['kadm_good']))
  const full = new Storage()
  full.setItem = () => {
    throw new DOMException('full', 'QuotaExceededError')
  }
  for (const storage of [full, undefined]) {
    const desk = new Desk(storage)
    expect(await desk.logIn('kadm_good')).toBeUndefined()
    expect(desk.me?.name).toBe('anna')
  }
})

test('an address is one part of a path, whatever is in it', () => {
  expect(personPath('+49170@example.org')).toBe('/people/%2B49170%40example.org')
  expect(personPath('../me?x=#y', 'devices', 'a/b')).toBe('/people/..%2Fme%3Fx%3D%23y/devices/a%2Fb')
})

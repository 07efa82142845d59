import { afterEach, beforeEach, expect, test, vi } from 'vitest'

type Exclusively = typeof import('../../src/crypto/locks').exclusively

/** Web Locks as far as they are used: one holder for each name, in the order of asking. */
class Locks {
  private readonly last = new Map<string, Promise<unknown>>()
  grants = 0

  request(name: string, work: () => Promise<unknown>): Promise<unknown> {
    const now = (this.last.get(name) ?? Promise.resolve()).then(() => {
      this.grants++
      return work()
    })
    this.last.set(
      name,
      now.catch(() => undefined)
    )
    return now
  }
}

let locks: Locks
beforeEach(() => {
  locks = new Locks()
  vi.stubGlobal('navigator', { locks })
})
afterEach(() => vi.unstubAllGlobals())

/** A module of its own, as each tab has. */
async function tab(): Promise<Exclusively> {
  vi.resetModules()
  return (await import('../../src/crypto/locks')).exclusively
}

const pause = (ms = 1): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test('two tabs are never in at the same time, and each sees whether the other has been', async () => {
  const [one, two] = [await tab(), await tab()]
  let inside = ''
  const holds = new Map<string, Set<object>>()
  const step = (name: string, exclusively: Exclusively, owner: object): Promise<void> =>
    exclusively('db', 'session', owner, async (hold) => {
      expect(inside).toBe('')
      inside = name
      holds.set(name, (holds.get(name) ?? new Set()).add(hold))
      await pause()
      inside = ''
    })
  const owners = [{}, {}]
  for (let round = 0; round < 3; round++) {
    await Promise.all([
      ...Array.from({ length: 10 }, () => step('one', one, owners[0] ?? {})),
      ...Array.from({ length: 10 }, () => step('two', two, owners[1] ?? {}))
    ])
  }
  expect(locks.grants).toBeLessThan(30) // sixty steps
  const [first, second] = [holds.get('one') ?? new Set(), holds.get('two') ?? new Set()]
  for (const hold of first) expect(second.has(hold)).toBe(false)
  expect(first.size).toBeGreaterThan(1)
})

test('a tab that is busy all the time lets another in', async () => {
  const [one, two] = [await tab(), await tab()]
  let over = false
  const busy = (async () => {
    const owner = {}
    while (!over) await one('db', 'session', owner, () => pause())
  })()
  await pause(50)
  await two('db', 'session', {}, () => Promise.resolve())
  over = true
  await busy
})

test('two users in one tab are told apart, and an error is the caller’s alone', async () => {
  const one = await tab()
  const [a, b] = [{}, {}]
  const holds: object[] = []
  for (const owner of [a, a, b, a]) {
    await one('db', 'x', owner, (hold) => {
      holds.push(hold)
      return Promise.resolve()
    })
  }
  expect(holds[0]).toBe(holds[1])
  expect(new Set(holds).size).toBe(3)
  await expect(one('db', 'x', a, () => Promise.reject(new Error('mine')))).rejects.toThrow('mine')
  expect(await one('db', 'x', a, () => Promise.resolve('fine'))).toBe('fine')
})

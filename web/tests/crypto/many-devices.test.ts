/** A message to hundreds of devices: the storage is read a few times, not once for each of them. */
import 'fake-indexeddb/auto'
import { expect, test, vi } from 'vitest'
import { MeasuredGroup } from '../driver/group'

test('a message to many devices reads the storage a few times, also when two are encrypted at once', async () => {
  const group = await MeasuredGroup.of(20, 40)
  await group.send('the first makes the sessions')
  await new Promise((done) => setTimeout(done, 600)) // what is kept within a series of steps is gone
  // on a slow machine as well, since nothing gets too old then
  vi.spyOn(performance, 'now').mockReturnValue(performance.now())
  const { keys } = group.buffer.database
  const [get, bulkGet] = [vi.spyOn(keys, 'get'), vi.spyOn(keys, 'bulkGet')]
  const sent = await Promise.all([group.send('one'), group.send('two')])
  expect(sent.map(([, , , count]) => count)).toEqual([40, 40])
  // one by one, it would be eighty sessions alone
  expect(get.mock.calls.length + bulkGet.mock.calls.length).toBeLessThan(60)
  vi.restoreAllMocks()
  // each step of each ratchet was taken once
  await group.buffer.flush()
  const rows = await keys.where('path').startsWith('session/').toArray()
  const counters = rows.map(({ value }) => {
    const { sessions } = value as { sessions: Record<string, { chains: Record<string, Chain> }> }
    const chains = Object.values(sessions).flatMap((one) => Object.values(one.chains))
    return Math.max(...chains.map(({ chainKey }) => chainKey.counter))
  })
  expect(counters).toEqual(Array.from({ length: 40 }, () => 2))
})

interface Chain {
  chainKey: { counter: number }
}

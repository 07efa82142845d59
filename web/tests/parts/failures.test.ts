import { expect, test, vi } from 'vitest'
import { watchFailures } from '../../src/parts/failures'
import { Lost, NotConnected } from '../../src/xmpp/errors'

test('nothing fails silently, and nobody is told of what a lost connection or a log-out ends', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  const page = new EventTarget()
  let told = 0
  const stop = watchFailures(() => (told += 1), page)
  const fail = (reason: unknown): boolean =>
    page.dispatchEvent(Object.assign(new Event('unhandledrejection', { cancelable: true }), { reason }))
  const closed = Object.assign(new Error('closed'), { name: 'DatabaseClosedError' })
  for (const reason of [new NotConnected(), new Lost(), closed, new DOMException('', 'AbortError')])
    fail(reason)
  expect(told).toBe(0)
  expect(fail(new Error('of ours'))).toBe(false)
  for (const reason of [undefined, null, 'text', new DOMException('full', 'QuotaExceededError')]) fail(reason)
  expect(told).toBe(1)
  vi.advanceTimersByTime(31_000)
  fail('again')
  expect(told).toBe(2)
  expect(logged).toHaveBeenCalledTimes(10)
  stop()
  fail('after')
  expect(told).toBe(2)
  logged.mockRestore()
  vi.useRealTimers()
})

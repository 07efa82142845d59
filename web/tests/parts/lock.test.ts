import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { confirmed, isCorrectPin, passkeySecret, pinSecret, waitAfter } from '../../src/parts/lock-secret'
import { MemoryStorage } from '../sync/people'

beforeEach(() => {
  vi.stubGlobal('localStorage', new MemoryStorage())
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})
const opened = async () => {
  vi.resetModules()
  return new (await import('../../src/parts/lock.svelte')).Lock()
}

test('the PIN opens it, another does not, and it is not kept', async () => {
  const secret = await pinSecret('2580')
  expect(secret.kind === 'pin' && (await isCorrectPin(secret, '2580'))).toBe(true)
  expect(secret.kind === 'pin' && (await isCorrectPin(secret, '2581'))).toBe(false)
  expect(JSON.stringify(secret)).not.toContain('2580')
  expect(await pinSecret('2580')).not.toEqual(secret)
})

test('who opens the page begins locked, and wrong PINs cost time, over a reload too', async () => {
  const lock = await opened()
  expect(lock.locked).toBe(false)
  lock.set(await pinSecret('2580'))
  expect(lock.locked).toBe(false)
  const again = await opened()
  expect(again.locked).toBe(true)
  for (let turn = 0; turn < 5; turn++) expect(await again.open('0000')).toBe(false)
  expect(again.wait).toBeGreaterThan(20_000)
  const third = await opened()
  expect(await third.open('2580')).toBe(false)
  expect(third.locked).toBe(true)
  vi.useFakeTimers({ toFake: ['Date'] })
  vi.setSystemTime(Date.now() + 31_000)
  expect(await third.open('2580')).toBe(true)
  expect([third.locked, third.wait]).toEqual([false, 0])
  third.lock()
  expect(third.locked).toBe(true)
  third.remove()
  expect((await opened()).locked).toBe(false)
})

test('the wait doubles, and has an end', () => {
  expect([4, 5, 6, 7].map(waitAfter)).toEqual([0, 30_000, 60_000, 120_000])
  expect(waitAfter(100)).toBe(3_600_000)
})

test('a passkey opens it only if the device has verified the person', async () => {
  const id = new Uint8Array([1, 2, 3])
  const answer = (flags: number, rawId = id) => ({
    rawId: rawId.buffer,
    response: { authenticatorData: new Uint8Array([...new Uint8Array(32), flags]).buffer }
  })
  const create = vi.fn(async () => ({ rawId: id.buffer }))
  const get = vi.fn(async () => answer(0x05))
  vi.stubGlobal('navigator', { credentials: { create, get } })
  const secret = await passkeySecret('Ada')
  if (secret.kind !== 'passkey') throw new Error(secret.kind)
  expect(await confirmed(secret)).toBe(true)
  get.mockResolvedValueOnce(answer(0x01))
  expect(await confirmed(secret)).toBe(false)
  get.mockResolvedValueOnce(answer(0x05, new Uint8Array([9])))
  expect(await confirmed(secret)).toBe(false)
})

test('it locks itself when nobody was there for long, and not before', async () => {
  const document_ = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  vi.stubGlobal('document', document_)
  vi.stubGlobal('window', new EventTarget())
  const lock = await opened()
  lock.set(await pinSecret('2580'))
  lock.minutes = 1
  vi.useFakeTimers()
  const stop = lock.watch()
  vi.advanceTimersByTime(50_000)
  document_.dispatchEvent(new Event('keydown'))
  vi.advanceTimersByTime(50_000)
  expect(lock.locked).toBe(false)
  vi.advanceTimersByTime(20_000)
  expect(lock.locked).toBe(true)
  stop()
})

test('where the browser has no room the PIN opens all the same, and no lock is said to be set', async () => {
  const storage = new MemoryStorage()
  vi.stubGlobal('localStorage', storage)
  const lock = await opened()
  expect(lock.set(await pinSecret('2580'))).toBe(true)
  const again = await opened()
  storage.full = true
  again.lock()
  expect(await again.open('0000')).toBe(false)
  expect(await again.open('2580')).toBe(true)
  expect(again.locked).toBe(false)
  again.remove()
  expect(again.set(await pinSecret('1111'))).toBe(false)
  expect([again.kind, again.locked]).toEqual([undefined, false])
})

test('what is kept beside the database is forgotten where the browser forbids it, and nothing fails', async () => {
  const forbidden = {
    get() {
      throw new DOMException('denied', 'SecurityError')
    }
  }
  vi.stubGlobal('localStorage', undefined)
  Object.defineProperty(globalThis, 'localStorage', { configurable: true, ...forbidden })
  const { recall, remember } = await import('../../src/local/browser-storage')
  expect(recall('kith.language')).toBe(null)
  expect(remember('kith.language', 'de')).toBe(false)
  const lock = await opened()
  expect([lock.locked, lock.set(await pinSecret('2580'))]).toEqual([false, false])
  const { recent, used } = await import('../../src/chat/emojis')
  expect(() => {
    used('👍')
  }).not.toThrow()
  expect(recent()).toEqual([])
  Object.defineProperty(globalThis, 'localStorage', { configurable: true, writable: true, value: undefined })
})

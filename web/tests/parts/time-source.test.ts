/** What messages and the server date is compared with the server's clock; the device's may be wrong by years. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ESLint } from 'eslint'
import { afterEach, expect, test } from 'vitest'
import { deviceTime } from '../../src/local/device-time'
import { day, useClock, lastSeen, short } from '../../src/parts/time'

const SOURCE = join(import.meta.dirname, '../../src')

afterEach(() => {
  useClock(deviceTime)
})

test('a message of now is of today and was just seen, whatever the clock of the device says', () => {
  const now = Date.UTC(2021, 4, 17, 12)
  expect(lastSeen(now)).not.toBe('last seen just now')
  useClock(() => now)
  expect(day(now)).toBe('Today')
  expect(day(now - 86_400_000)).toBe('Yesterday')
  expect(lastSeen(now - 1000)).toBe('last seen just now')
  expect(short(now - 86_400_000)).toBe('Yesterday')
})

test('no screen reads the clock of the device by itself', async () => {
  const lint = new ESLint({ cwd: join(SOURCE, '..') })
  const rules = async (text: string): Promise<(string | null)[]> => {
    const [result] = await lint.lintText(text, { filePath: join(SOURCE, 'parts/chat-menu.ts') })
    return (result?.messages ?? []).map(({ ruleId }) => ruleId)
  }
  for (const text of [
    'export const a = Date.now()',
    'export const b = new Date()',
    'export const c = Date.now'
  ])
    expect(await rules(text)).toContain('no-restricted-syntax')
  expect(await rules('export const d = new Date(5)')).toEqual([])
})

test('and only what nobody else dates goes by it', () => {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  const found = files.filter(
    (file) => /\.(?:svelte|ts)$/.test(file) && /\bdeviceTime\b/.test(readFileSync(join(SOURCE, file), 'utf8'))
  )
  expect(found.sort()).toEqual([
    'App.svelte', // before the server's clock is known
    'admin/When.svelte', // the page for operators has no clock of the server
    'crypto/omemo.ts', // where it is not given another
    'crypto/sessions.ts', // which session is the older one
    'crypto/trust-transfer.ts',
    'local/device-time.ts',
    'local/entered.ts', // the order of what is typed
    'parts/lock.svelte.ts', // how long nobody was here
    'parts/time.ts', // before the login
    'sync/open.ts' // what the server's clock is made from
  ])
})

import { afterEach, describe, expect, test, vi } from 'vitest'
import { Api, bearerOf, Refusal } from '../../src/start/api'
import { thisDevice } from '../../src/start/device'
import { complete, countries, likely, typed } from '../../src/start/numbers'

afterEach(() => vi.unstubAllGlobals())

function answering(status: number, body: string): ReturnType<typeof vi.fn> {
  const asked = vi.fn(() => Promise.resolve(new Response(status === 204 ? null : body, { status })))
  vi.stubGlobal('fetch', asked)
  return asked
}

describe('the HTTP API', () => {
  test('gives what was answered, and shows the bearer', async () => {
    const asked = answering(200, '{"set": true}')
    const api = new Api(() => Promise.resolve('abc'))
    expect(await api.hasPin()).toEqual({ ok: true, value: true })
    expect(asked.mock.calls[0]?.[1]).toMatchObject({
      headers: { Authorization: 'Bearer abc' },
      credentials: 'omit'
    })
  })

  test('gives the reason of a refusal', async () => {
    answering(429, '{"error": "too-many", "text": "…", "retry_after": 60}')
    const answer = await new Api().sendCode('+491701234567')
    expect(answer).toEqual({ ok: false, problem: { error: 'too-many', text: '…', retry_after: 60 } })
    await expect(new Api().asking('POST', '/api/links', {})).rejects.toBeInstanceOf(Refusal)
  })

  test('is offline when nobody answers, or somebody else does', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('no network')))
    expect(await new Api().devices()).toMatchObject({ ok: false, problem: { error: 'offline' } })
    answering(502, '<html>Bad gateway</html>')
    expect(await new Api().devices()).toMatchObject({ ok: false, problem: { error: 'offline' } })
    answering(500, '{}')
    expect(await new Api().devices()).toMatchObject({ ok: false, problem: { error: 'offline' } })
  })

  test('takes an answer without content for done', async () => {
    answering(204, '')
    expect(await new Api().removePin()).toEqual({ ok: true, value: undefined })
  })
})

test('a device shows who it is as the server wants it', () => {
  const shown = bearerOf({ address: '+49170@example.org', agent: 'a-b', token: 'ö?>' })
  expect(Buffer.from(shown, 'base64url').toString()).toBe('+49170:a-b:ö?>')
  expect(shown).not.toMatch(/[+/=]/)
})

test('a browser says what it is', () => {
  const android =
    'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36'
  expect(thisDevice(android).name).toBe('Chrome, Android')
  const iphone =
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1'
  expect(thisDevice(iphone).name).toBe('Safari, iOS')
  expect(thisDevice('?').name).toBe('Web')
  expect(thisDevice('?').agent).toMatch(/^[0-9a-f-]{36}$/)
})

describe('a number', () => {
  test('is grouped while it is typed, and tells its country', () => {
    expect(typed('0170123', 'DE').text).toBe('0170 123')
    expect(typed('+43660', 'DE')).toEqual({ text: '+43 660', country: 'AT' })
  })

  test('is complete in any usual notation', () => {
    expect(complete('0170 123-4567', 'DE')).toBe('+491701234567')
    expect(complete('+49 (0)170 1234567', 'FR')).toBe('+491701234567')
    expect(complete('12', 'DE')).toBeUndefined()
    expect(complete('', 'DE')).toBeUndefined()
  })

  test('is of the country that the browser says, else of one that there is', () => {
    expect(likely(['en', 'de-AT'])).toBe('US')
    expect(likely(['de-AT'])).toBe('AT')
    expect(likely([])).toBe('DE')
  })

  test('has countries with flags and names, in order', () => {
    const all = countries('de')
    expect(all.find(({ code }) => code === 'DE')).toMatchObject({
      calling: '49',
      name: 'Deutschland',
      flag: '🇩🇪'
    })
    const names = all.map(({ name }) => name)
    expect(names).toEqual([...names].sort((a, b) => a.localeCompare(b, 'de')))
  })
})

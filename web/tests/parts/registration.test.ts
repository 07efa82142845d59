import { expect, test } from 'vitest'
import { isRegistered, numberAt } from '../../src/parts/registration'

const among =
  (...there: string[]) =>
  async (numbers: string[]) =>
    numbers.filter((number) => there.includes(number))

test('a number that nobody has is not here, one that somebody has is, and without an answer one may write', async () => {
  expect(await isRegistered(among('+491701'), '+491701', 0)).toBe('here')
  expect(await isRegistered(among('+491701'), '+491702', 0)).toBe('absent')
  const refuses = async () => Promise.reject(new Error('too many'))
  expect(await isRegistered(refuses, '+491701', 0)).toBe('unknown')
})

test('who has just joined is here, though the list of the server is some moments old', async () => {
  const there: string[] = []
  const answer = isRegistered(async (numbers) => among(...there)(numbers), '+491701', 20)
  there.push('+491701')
  expect(await answer).toBe('here')
})

test('only a number of this server can be asked for', () => {
  expect(numberAt('+4917012345@example.org', 'example.org')).toBe('+4917012345')
  expect(numberAt('+4917012345@elsewhere.org', 'example.org')).toBeUndefined()
  expect(numberAt('bot@example.org', 'example.org')).toBeUndefined()
  expect(numberAt('example.org', 'example.org')).toBeUndefined()
})

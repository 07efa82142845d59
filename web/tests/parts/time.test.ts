import { expect, test } from 'vitest'
import { bytes, clock, day, dayOf, lastSeen, short, span } from '../../src/parts/time'

const NOW = new Date(2026, 10, 25, 14, 30).getTime()
const HOUR = 3_600_000
const plain = (text: string): string => text.replace(/\u202f/g, ' ')

test('the list of chats says a time as short as it can', () => {
  expect(plain(short(NOW - 2 * HOUR, NOW))).toBe(plain(clock(NOW - 2 * HOUR)))
  expect(short(NOW - 15 * HOUR, NOW)).toBe('Yesterday')
  expect(short(NOW - 50 * HOUR, NOW)).toBe('Monday')
  expect(short(NOW - 400 * HOUR, NOW)).toBe('11/08/26')
})

test('days are counted by midnights, not by hours', () => {
  const late = new Date(2026, 10, 24, 23, 59).getTime()
  const early = new Date(2026, 10, 25, 0, 1).getTime()
  expect(day(late, early)).toBe('Yesterday')
  expect(dayOf(late)).not.toBe(dayOf(early))
  expect(day(NOW, NOW)).toBe('Today')
  expect(day(new Date(2025, 0, 2).getTime(), NOW)).toBe('January 2, 2025')
})

test('when somebody was last there', () => {
  expect(lastSeen(NOW - 1000, NOW)).toBe('last seen just now')
  expect(plain(lastSeen(NOW - HOUR, NOW))).toBe('last seen today at 1:30 PM')
})

test('lengths of time and sizes have the unit that fits', () => {
  expect(span(604_800)).toBe('1 week')
  expect(span(86_400)).toBe('1 day')
  expect(span(5400)).toBe('90 minutes')
  expect([0, 1, 900].map(bytes)).toEqual(['0 bytes', '1 byte', '900 bytes'])
  expect(bytes(4_600_000)).toBe('4.6 MB')
})

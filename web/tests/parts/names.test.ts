import { describe, expect, test } from 'vitest'
import { isServer } from '../../src/local/address'
import type { Contact } from '../../src/local/types'
import { addressHint, grouped, hue, initial, nameOf, setOwnAddress, written } from '../../src/parts/names'

const NUMBER = '+49 170 123 4567'.replaceAll(' ', '\u00a0')

const contact = (some: Partial<Contact>): Contact => ({
  address: '+491701234567@example.org',
  name: '',
  nick: '',
  about: '',
  picture: '',
  subscription: 'none',
  asked: false,
  asks: false,
  inRoster: false,
  blocked: false,
  ...some
})

describe('somebody is called', () => {
  test('what I call them, else what they call themselves, else by their number', () => {
    expect(nameOf(contact({ name: 'Oma', nick: 'Hilde' }), '+491701234567@example.org')).toBe('Oma')
    expect(nameOf(contact({ nick: 'Hilde', inRoster: true }), '+491701234567@example.org')).toBe('Hilde')
    expect(nameOf(undefined, '+491701234567@example.org')).toBe(NUMBER)
  })

  test('as the app, where it is the server that writes', () => {
    expect(isServer('example.org', 'me@example.org')).toBe(true)
    expect(isServer('ada@example.org', 'me@example.org')).toBe(false)
    // Another server is a stranger like any other, and does not speak for mine
    expect(isServer('evil.example', 'me@example.org')).toBe(false)
    expect(isServer('example.org.', 'me@example.org')).toBe(false)
    setOwnAddress('me@example.org')
    expect(nameOf(undefined, 'example.org')).toBe('Kith')
    expect(nameOf(undefined, 'evil.example')).toBe('evil.example')
  })

  test('by the name that they chose, with a mark and their number, if they are not in my contacts', () => {
    const address = '+491701234567@example.org'
    expect(nameOf(contact({ nick: 'Hilde' }), address)).toBe('~Hilde')
    expect(addressHint(contact({ nick: 'Hilde' }), address)).toBe(NUMBER)
    expect(nameOf(contact({ nick: 'Hil\u202ede\u200b' }), address)).toBe('~Hilde')
    expect(nameOf(contact({ nick: '~~Hilde' }), address)).toBe('~Hilde')
    expect([
      addressHint(contact({}), address),
      addressHint(contact({ name: 'Oma', nick: 'Hilde' }), address)
    ]).toEqual(['', ''])
    expect(addressHint(contact({ nick: 'Hilde', inRoster: true }), address)).toBe('')
  })

  test('a number at another server is not taken for that of somebody here', () => {
    setOwnAddress('me@example.org')
    const elsewhere = '+491701234567@evil.example'
    expect(nameOf(undefined, '+491701234567@example.org')).toBe(NUMBER)
    expect(nameOf(undefined, elsewhere)).toBe(`${NUMBER}@evil.example`)
    expect(nameOf(undefined, 'ada@evil.example')).toBe('ada@evil.example')
    expect(addressHint(contact({ nick: 'Hilde' }), elsewhere)).toBe(`${NUMBER}@evil.example`)
    expect(nameOf(contact({ name: 'Oma' }), elsewhere)).toBe('Oma')
  })

  test('by the whole address, if it is of elsewhere', () => {
    expect(written('ada@example.org', 'example.org')).toBe('ada')
    expect(written('ada@other.example', 'example.org')).toBe('ada@other.example')
  })
})

test('a number is written in groups that begin with the code of its country', () => {
  const shown = (number: string): string => grouped(number).replaceAll('\u00a0', ' ')
  expect(shown('+12025550143')).toBe('+1 202 555 0143')
  expect(shown('+390612345678')).toBe('+39 061 234 5678')
  expect(shown('+35312345678')).toBe('+353 123 456 78')
  expect(grouped('+12025550143'), 'no line ends inside it').not.toMatch(/[ \t\n]/)
})

test('a picture that is missing shows the first letter, whatever the script', () => {
  expect(initial('ada')).toBe('A')
  expect(initial(' éloïse')).toBe('É')
  expect(initial('田中')).toBe('田')
  expect(initial('👩‍👩‍👧 family')).toBe('👩‍👩‍👧')
  expect(initial('+49 170')).toBe('')
  expect(initial('')).toBe('')
})

test('everybody has one of eight colours, and numbers in a row do not share one', () => {
  const hues = Array.from({ length: 80 }, (_, at) => hue(`+4917012345${String(at + 10)}@example.org`))
  expect(new Set(hues).size).toBe(8)
  expect(hue('ada@example.org')).toBe(hue('ada@example.org'))
})

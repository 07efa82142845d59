import 'fake-indexeddb/auto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { newContact } from '../../src/local/contact'
import { Database } from '../../src/local/database'
import { chosenName, cleanAbout, cleanName, looksOfficial } from '../../src/local/names'

test('a name has no turns, nothing hidden, one line, and an end', () => {
  expect(cleanName('Ada\u202egnp.exe')).toBe('Adagnp.exe')
  expect(cleanName('\u2066Ada\u2069\u200f\u061c')).toBe('Ada')
  expect(cleanName('A\u200bd\u2060a\ufeff\u00ad\u034f')).toBe('Ada')
  expect(cleanName('Ki\u200cth\u200d')).toBe('Kith')
  expect(cleanName('Ada\n\u2028Admin\u0007\u001b[31m\u009b')).toBe('Ada Admin[31m')
  expect(cleanName('\u3164\u2800\u115f\uffa0')).toBe('')
  expect(cleanName('  ~~ Ada   L.  ')).toBe('Ada L.')
  expect(cleanName('Z' + '\u0336\u0300'.repeat(50)).length).toBeLessThan(8)
  expect(cleanName('x'.repeat(5000))).toHaveLength(60)
  expect(cleanAbout('one\n\n\n\n\ntwo\u202e')).toBe('one\n\ntwo')
})

test('a name of any script, and its emojis, stays as it is', () => {
  for (const name of [
    'Éloïse',
    '田中',
    'می‌خواهم',
    'क्‍ष',
    '👩‍👩‍👧 family',
    'Zoë ❤️',
    'ນາງ',
    "O'Brien-Łukasz",
    'Müller 🇩🇪'
  ]) {
    expect(cleanName(name)).toBe(name.normalize('NFC'))
  }
})

test('whatever comes, a clean name stays clean', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      const name = cleanName(text)
      expect(cleanName(name)).toBe(name)
      expect(name.length).toBeLessThanOrEqual(60)
      expect(name).not.toMatch(/[\p{Cc}\p{Bidi_C}\n\u200b]/u)
    })
  )
})

test('nobody looks like the app', () => {
  for (const name of [
    'Kith',
    'KITH',
    'Кith',
    'Kıth',
    'K i t h',
    'Ｋｉｔｈ',
    'Kith Support',
    'Team Kith',
    'K1th',
    'Kíth',
    '𝐊𝐢𝐭𝐡'
  ]) {
    expect([name, looksOfficial(name)]).toEqual([name, true])
  }
  for (const name of ['Keith', 'Judith', 'Ada', 'Edith Kithara Smith'.slice(0, 5)]) {
    expect([name, looksOfficial(name)]).toEqual([name, false])
  }
})

test('a stranger does not get the name of somebody whom I know', async () => {
  const db = new Database('names')
  const [me, oma, eve] = ['me@example.org', 'oma@example.org', 'eve@example.org']
  await db.contacts.put({ ...newContact(oma), name: 'Oma Erika', inRoster: true })
  await db.contacts.put({ ...newContact(me), nick: 'Ada' })
  for (const name of ['Oma Erika', 'Оma  Erikа', 'oma erika', 'Ada', 'Аdа', 'Kith']) {
    expect([name, await chosenName(db, me, eve, name)]).toEqual([name, ''])
  }
  expect(await chosenName(db, me, eve, 'Erika')).toBe('Erika')
  // Who is a contact may be called as they like, as I may
  expect(await chosenName(db, me, oma, 'Ada')).toBe('Ada')
  expect(await chosenName(db, me, me, 'Ada')).toBe('Ada')
  await db.delete()
})

test('nobody is called like a number, an address, or somebody’s', async () => {
  const db = new Database('names of numbers')
  const me = 'me@example.org'
  await db.contacts.put({ ...newContact('+491701234567@example.org'), inRoster: true })
  await db.contacts.put({ ...newContact('hilde@example.org'), inRoster: true })
  const chosen = (text: string) => chosenName(db, me, 'eve@example.org', text)
  const like = [
    ...[
      '+49 170 1234567',
      '0170/1234567',
      '(0049) 170 – 123 4567',
      '٠١٧٠١٢٣٤٥٦٧',
      '+４９１７０１２３４５６７',
      'Tel 01701234567'
    ],
    ...['hilde@example.org', 'Hilde＠example.org', 'Ηilde', 'HILDE ', 'h i l d e', 'hiIde', '𝐇ilde']
  ]
  for (const name of like) expect([name, await chosen(name)]).toEqual([name, ''])
  for (const name of ['Ada 2', 'Agent 007', 'Class of 2026', 'Rudi1984', 'R2-D2'])
    expect(await chosen(name)).toBe(name)
  await db.delete()
})

test('no letters of any script are taken for the app’s name', () => {
  for (const name of [
    'ΚΙΤΗ',
    'КІТН',
    'Kǀth',
    'ꓗꓲꓔꓧ',
    'ⲔⲒⲦⲎ',
    'ᏦᎥᎢᎻ',
    '𝗞𝗶𝘁𝗵',
    'K\u034fith',
    'Ｋｉｔｈ support'
  ])
    expect([name, looksOfficial(name)]).toEqual([name, true])
})

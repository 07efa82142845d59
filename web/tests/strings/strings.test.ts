import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'svelte/compiler'
import { describe, expect, test } from 'vitest'
import { en as adminEn } from '../../src/admin/strings/en'
import { ADMIN_TEXTS } from '../../src/admin/strings/strings'
import { de } from '../../src/strings/de'
import { en } from '../../src/strings/en'
import { choose, fill, isTag, LANGUAGES } from '../../src/strings/strings.svelte'
import type { Text } from '../../src/strings/texts'

const SOURCE = join(import.meta.dirname, '../../src')
const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
const screens = files.filter((file) => file.endsWith('.svelte'))
const code = files.filter(
  (file) =>
    /^(?:screens|parts|attachments|chats?|groups|calling|status)\/.*\.(?:svelte|ts)$/.test(file) ||
    /^\w+\.(?:svelte|ts)$/.test(file)
)
const adminCode = files.filter((file) => /^admin\/(?!strings\/).*\.(?:svelte|ts)$/.test(file))
/** The texts of the chat app, and those of the page for operators, by language. */
const ALL: [string, Record<string, Text>, Record<string, Text>][] = [
  ...Object.entries(LANGUAGES).map(([tag, { texts }]): (typeof ALL)[number] => [tag, texts, en]),
  ...Object.entries(ADMIN_TEXTS).map(([tag, texts]): (typeof ALL)[number] => [tag, texts, adminEn])
]

const forms = (text: Text): string[] => (typeof text === 'string' ? [text] : Object.values(text))
const names = (text: Text): Set<string> =>
  new Set(forms(text).flatMap((form) => form.match(/\{\w+\}/g) ?? []))

describe.each(ALL)('the language %s', (tag, texts, english) => {
  test('has every text, and no other', () => {
    expect(Object.keys(texts).sort()).toEqual(Object.keys(english).sort())
    expect(
      Object.values(texts)
        .flatMap(forms)
        .filter((form) => form.trim() === '')
    ).toEqual([])
  })

  test('fills in the same values as English', () => {
    for (const [key, text] of Object.entries(texts))
      expect([key, names(text)]).toEqual([key, names(english[key] ?? '')])
  })

  test('has each plural form that its grammar knows', () => {
    const needed = new Intl.PluralRules(tag).resolvedOptions().pluralCategories
    for (const text of Object.values(texts))
      if (typeof text !== 'string') expect(Object.keys(text).sort()).toEqual([...needed].sort())
  })
})

test('a plural is chosen by its count, and numbers are written as the language does', () => {
  expect(fill(en['chats.count'], { count: 1 }, 'en')).toBe('1 unread message')
  expect(fill(de['chats.count'], { count: 12345 }, 'de')).toBe('12.345 ungelesene Nachrichten')
  expect(fill('{name} of {name}, {other}', { name: 'A' }, 'en')).toBe('A of A, {other}')
})

test('the first language that there is, is taken, else English', () => {
  expect(choose(['fr-CA', 'de-AT', 'en'])).toBe('de')
  expect(choose(['fr'])).toBe('en')
  expect(choose([])).toBe('en')
})

test('both pages are in the same languages', () => {
  expect(Object.keys(ADMIN_TEXTS)).toEqual(Object.keys(LANGUAGES))
})

test.each([
  ['the chat app', code, en],
  ['the page for operators', adminCode, adminEn]
])('every text of %s is used somewhere', (_, its, texts) => {
  const all = its.map((file) => readFileSync(join(SOURCE, file), 'utf8')).join('\n')
  const made = [...all.matchAll(/`([\w-]+\.[\w.-]*)\$\{/g)].flatMap((match) => match[1] || [])
  const unused = Object.keys(texts).filter(
    (key) =>
      !all.includes(`'${key}'`) && !all.includes(`"${key}"`) && !made.some((start) => key.startsWith(start))
  )
  expect(unused).toEqual([])
})

const SPOKEN = new Set([
  'aria-label',
  'alt',
  'label',
  'placeholder',
  'title',
  'text',
  'sub',
  'legend',
  'action'
])
/** Not words of a language: names, and an example of an address. */
const NAMES = new Set(['Kith', 'AGPL-3.0-or-later', 'https://…/link#1.…'])

interface Node {
  type?: string
  name?: string
  data?: string
}

/** What stands in a component's markup as it is, and can be read. */
function literals(node: unknown, found: string[] = []): string[] {
  if (Array.isArray(node)) for (const one of node) literals(one, found)
  else if (typeof node === 'object' && node !== null) {
    const { type, name, data } = node as Node
    if (type === 'Text' && data !== undefined) found.push(data)
    if (type === 'Attribute' && name !== undefined && !SPOKEN.has(name)) return found
    if (type === 'StyleSheet' || type === 'Script' || type === 'StyleDirective') return found
    for (const [key, child] of Object.entries(node)) if (key !== 'attributes') literals(child, found)
    const { attributes } = node as { attributes?: unknown[] }
    for (const attribute of attributes ?? []) literals(attribute, found)
  }
  return found
}

test.each(screens)('%s has no text of its own', (file) => {
  const { fragment } = parse(readFileSync(join(SOURCE, file), 'utf8'), { modern: true })
  const words = literals(fragment).map((text) => text.trim())
  expect(words.filter((text) => /\p{L}/u.test(text) && !NAMES.has(text))).toEqual([])
})

test('a language is one that there is, and times can be written in', () => {
  expect(choose(['constructor', 'toString-US', 'de-AT'])).toBe('de')
  expect(choose(['__proto__'])).toBe('en')
  expect(['en-US@posix', '', 'C.UTF-8', 'en-US', 'de'].filter(isTag)).toEqual(['en-US', 'de'])
})
